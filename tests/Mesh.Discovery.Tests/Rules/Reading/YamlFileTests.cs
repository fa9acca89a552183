using System.Diagnostics;
using System.Text;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Rules.Reading;

namespace Mesh.Discovery.Tests.Rules.Reading;

public sealed class YamlFileTests
{
    private const string Origin = "f.yaml";

    [Fact]
    public void Parse_SeveralDocuments_KeepsLinesAndTexts()
    {
        var file = YamlFile.Parse("# head\na: 1\n---\n---\nb:\n- x\n- y\n...\n---\n# nothing\n", Origin);

        Assert.Null(file.Failure);
        Assert.Equal(2, file.Documents.Count);
        Assert.Equal([2, 4], file.Documents.Select(static d => d.Line));
        Assert.Equal("a: 1\n", file.Documents[0].Text);
        Assert.StartsWith("---\nb:\n- x\n- y\n", file.Documents[1].Text, StringComparison.Ordinal);
        var list = Assert.IsType<ListNode>(((MapNode)file.Documents[1].Root).Find("b")!.Value);
        Assert.Equal([6, 7], list.Items.Select(static item => item.Line));
    }

    [Theory]
    [InlineData("\r\n")]
    [InlineData("\n")]
    [InlineData("\r")]
    public void Parse_AnyLineEnding_KeepsLines(string ending)
    {
        var file = YamlFile.Parse(string.Join(ending, "a: 1", "b:", "  c: 2", "---", "d: 3"), Origin);

        var inner = (MapNode)((MapNode)file.Documents[0].Root).Find("b")!.Value;
        Assert.Equal(3, inner.Find("c")!.Line);
        Assert.Equal(4, file.Documents[1].Line);
        Assert.StartsWith("---" + ending + "d: 3", file.Documents[1].Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("\n\n")]
    [InlineData("---\n---\n...\n")]
    [InlineData("# only a comment")]
    [InlineData("~")]
    public void Parse_NothingInIt_HasNoDocuments(string text)
    {
        var file = YamlFile.Parse(text, Origin);

        Assert.Null(file.Failure);
        Assert.Empty(file.Documents);
    }

    [Fact]
    public void Parse_Json_IsRead()
    {
        var file = YamlFile.Parse("""
            { "a": [ 1, "two", null ],
              "b": { "c": true } }
            """, Origin);

        var root = (MapNode)Assert.Single(file.Documents).Root;
        Assert.Equal(3, ((ListNode)root.Find("a")!.Value).Items.Count);
        Assert.Equal(2, root.Find("b")!.Line);
    }

    [Fact]
    public void Parse_TagsAndQuotes_TellTextsFromNumbers()
    {
        var root = (MapNode)YamlFile.Parse("{ a: 1, b: '1', c: !!str 1, d: ~, e: '~' }", Origin).Documents[0].Root;

        Assert.Equal(
            [true, false, false, true, false], root.Entries.Select(static entry => ((ScalarNode)entry.Value).Plain));
        Assert.Null(((ScalarNode)root.Find("d")!.Value).Text);
        Assert.Equal("~", ((ScalarNode)root.Find("e")!.Value).Text);
    }

    [Fact]
    public void Parse_MergeKey_OwnKeysWin()
    {
        var file = YamlFile.Parse("base: &b { x: 1, y: 2 }\nown: { <<: *b, y: 3 }\nboth: { <<: [ { z: 9 }, *b ] }", Origin);

        var root = (MapNode)Assert.Single(file.Documents).Root;
        var own = (MapNode)root.Find("own")!.Value;
        Assert.Equal("3", ((ScalarNode)own.Find("y")!.Value).Text);
        Assert.Equal("1", ((ScalarNode)own.Find("x")!.Value).Text);
        Assert.Equal(3, ((MapNode)root.Find("both")!.Value).Entries.Count);
    }

    [Fact]
    public void Parse_DuplicateKeys_AreReportedEachWithBothLines()
    {
        var document = Assert.Single(YamlFile.Parse("a:\n- b: 1\n  c: 2\n  b: 3\na: 4\n", Origin).Documents);

        Assert.Equal(
            [
                "f.yaml:4: a[0].b: duplicate key 'b'; it is already on line 2",
                "f.yaml:5: a: duplicate key 'a'; it is already on line 1",
            ],
            document.Issues.Select(static issue => issue.ToString()));
    }

    [Theory]
    [InlineData("a: b\n c: d\n", 2)]
    [InlineData("a:\n\t- b\n", 2)]
    [InlineData("a: [ 1, 2\nb: 3\n", 2)]
    [InlineData("a: 'open\nb: 3\n", 1)]
    [InlineData("a: b: c\n", 1)]
    [InlineData("x: 1\n- y\n", 2)]
    [InlineData("a: &x [ *x ]\n", 1)]
    [InlineData("a: 1\nb: *nowhere\n", 2)]
    [InlineData("a: !ruby/object:Evil {}\n", 1)]
    [InlineData("? [ a ]\n: b\n", 1)]
    [InlineData("? { a: b }\n: c\n", 1)]
    [InlineData("~: b\n", 1)]
    [InlineData("<<: text\n", 1)]
    [InlineData("a: \"\\q\"\n", 1)]
    [InlineData("a: @b\n", 1)]
    public void Parse_BrokenText_SaysLineAndReason(string text, int line)
    {
        var failure = Parse(text).Failure;

        Assert.NotNull(failure);
        Assert.Equal(IssueSeverity.Error, failure.Severity);
        Assert.InRange(failure.Location.Line, line, line + 1);
        Assert.True(failure.Message.Length > 15, failure.Message);
        Assert.DoesNotContain("Idx", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Parse_NulAfterADocument_DoesNotHideTheRest()
    {
        var failure = YamlFile.Parse("a: 1\nb: 2\n\0c: 3\n", Origin).Failure;

        Assert.Equal("f.yaml:3: the control character \\u0000 is no YAML; is this a text?", failure?.ToString());
    }

    [Fact]
    public void Parse_BillionLaughs_IsRefusedByItsExpandedSize()
    {
        var text = new StringBuilder("a0: &a0 [ lol, lol, lol, lol, lol, lol, lol, lol, lol, lol ]\n");
        for (var i = 1; i < 30; i++)
        {
            text.Append($"a{i}: &a{i} [ {string.Join(", ", Enumerable.Repeat($"*a{i - 1}", 10))} ]\n");
        }

        Assert.Equal("f.yaml:5: more than 100000 values, counted through aliases", Parse(text.ToString()).Failure?.ToString());
    }

    [Fact]
    public void Parse_BillionLaughsOfMaps_IsRefused()
    {
        var text = new StringBuilder("a0: &a0 { x: 1, y: 2 }\n");
        for (var i = 1; i < 40; i++)
        {
            text.Append($"a{i}: &a{i} {{ x: *a{i - 1}, y: *a{i - 1} }}\n");
        }

        Assert.Contains("more than 100000 values", Parse(text.ToString()).Failure?.Message);
    }

    [Fact]
    public void Parse_MergeBomb_IsRefused()
    {
        var text = new StringBuilder("base: &b {");
        for (var i = 0; i < 5000; i++)
        {
            text.Append($" k{i}: 1,");
        }

        text.Append(" z: 1 }\n");
        for (var i = 0; i < 5000; i++)
        {
            text.Append($"m{i}: {{ <<: *b }}\n");
        }

        Assert.Contains("more than 100000 values", Parse(text.ToString()).Failure?.Message);
    }

    [Theory]
    [InlineData("[")]
    [InlineData("{a: ")]
    [InlineData("- ")]
    [InlineData("? ")]
    public void Parse_DeepNesting_IsRefused(string opening)
    {
        var text = new StringBuilder().Insert(0, opening, 100_000).ToString();

        Assert.NotNull(Parse(text).Failure);
    }

    [Fact]
    public void Parse_DeepNestingThroughAliases_IsRefused()
    {
        var text = new StringBuilder("a0: &a0 [ 1 ]\n");
        for (var i = 1; i < 100; i++)
        {
            text.Append($"a{i}: &a{i} [ *a{i - 1} ]\n");
        }

        Assert.Contains("nesting is deeper than 64 levels", Parse(text.ToString()).Failure?.Message);
    }

    [Fact]
    public void Parse_SixtyLevels_AreRead()
    {
        Assert.Null(Parse(new string('[', 60) + new string(']', 60)).Failure);
    }

    [Fact]
    public void Parse_HugeFlatList_IsRefused()
    {
        var text = new StringBuilder().Insert(0, "- a\n", 130_000).ToString();

        Assert.Contains("more than 100000 values", Parse(text).Failure?.Message);
    }

    [Fact]
    public void Parse_ManyDocuments_CountTogether()
    {
        var text = new StringBuilder().Insert(0, "---\n[a,b,c]\n", 40_000).ToString();

        Assert.Contains("more than 100000 values", Parse(text).Failure?.Message);
    }

    [Theory]
    [InlineData("a: ", 'x')]
    [InlineData("", 'x')]
    [InlineData("a: \"", ' ')]
    [InlineData("#", '#')]
    [InlineData("", '\n')]
    [InlineData("", '&')]
    [InlineData("a: >", '\n')]
    [InlineData("", ':')]
    public void Parse_HalfAMegabyteOfOneThing_EndsSoon(string start, char filler)
    {
        Parse(start + new string(filler, 512 * 1024));
    }

    [Fact]
    public void Parse_RandomBytes_NeverThrows()
    {
        var random = new Random(20260701);
        const string Interesting = "{}[]:,-?&*!|>'\"%@`#\n\t \r<=~abc019\u2028\u0085é";
        for (var round = 0; round < 20_000; round++)
        {
            var text = new string([.. Enumerable.Range(0, random.Next(40)).Select(
                _ => random.Next(4) == 0 ? (char)random.Next(1, 300) : Interesting[random.Next(Interesting.Length)])]);

            YamlFile.Parse(text, Origin);
        }
    }

    /// <summary>Parses, and fails if that takes absurdly long: these are attacks on time as well.</summary>
    private static YamlFile Parse(string text)
    {
        var start = Stopwatch.GetTimestamp();
        var file = YamlFile.Parse(text, Origin);
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(20));
        return file;
    }
}
