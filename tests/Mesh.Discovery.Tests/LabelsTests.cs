using CsCheck;

namespace Mesh.Discovery.Tests;

public class LabelsTests
{
    private static readonly Gen<Dictionary<string, string>> s_labels =
        Gen.Dictionary(Gen.OneOf("a", "b", "c", "A"), Gen.OneOf("1", "2", ""))[0, 4];

    [Fact]
    public void Contains_AnyLabels_AsTheDefinitionSays() =>
        Gen.Select(s_labels, s_labels).Sample((own, selector) =>
            new Labels(own).Contains(new Labels(selector))
            == selector.All(pair => own.TryGetValue(pair.Key, out var value) && value == pair.Value));

    [Fact]
    public void Equals_AnyLabels_WhenSamePairsInAnyOrder() =>
        Gen.Select(s_labels, s_labels).Sample((one, other) =>
        {
            var same = one.Count == other.Count && one.All(pair => other.TryGetValue(pair.Key, out var value) && value == pair.Value);
            Assert.Equal(same, new Labels(one).Equals(new Labels(other)));
            Assert.Equal(new Labels(one), new Labels(one.Reverse()));
            Assert.Equal(new Labels(one).GetHashCode(), new Labels(one.Reverse()).GetHashCode());
        });

    [Fact]
    public void Contains_EmptySelector_MatchesEverything()
    {
        Assert.True(Labels.Empty.Contains(Labels.Empty));
        Assert.True(new Labels([new("a", "1")]).Contains(Labels.Empty));
    }

    [Fact]
    public void Constructor_KeyTwice_KeepsTheLast() =>
        Assert.Equal("2", Assert.Single(new Labels([new("a", "1"), new("a", "2")])).Value);

    [Fact]
    public void Indexer_MissingLabel_NamesIt()
    {
        var error = Assert.Throws<KeyNotFoundException>(() => Labels.Empty["version"]);

        Assert.Contains("'version'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Dictionary_Members_SortedByKey()
    {
        var labels = new Labels([new("z", "1"), new("a", "2")]);

        Assert.Equal(["a", "z"], labels.Keys);
        Assert.Equal(["2", "1"], labels.Values);
        Assert.Equal("a=2,z=1", labels.ToString());
        Assert.Equal(2, labels.Count);
        Assert.True(labels.ContainsKey("z"));
        Assert.False(labels.ContainsKey("Z"));
        Assert.False(labels.Equals(null));
        Assert.False(labels.Equals((object)"a=2,z=1"));
    }
}
