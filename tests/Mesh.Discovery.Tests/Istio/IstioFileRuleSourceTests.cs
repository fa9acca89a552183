using System.Text;
using Mesh.Discovery.Istio;
using Mesh.Discovery.Rules;
using static Mesh.Discovery.Tests.Istio.RuleFilesFixture;

namespace Mesh.Discovery.Tests.Istio;

public sealed class IstioFileRuleSourceTests : IAsyncDisposable
{
    private readonly RuleFilesFixture _files = new();

    private IEnumerable<string> Names => _files.Last.Rules.Select(static rule => rule.Name);

    public ValueTask DisposeAsync() => _files.DisposeAsync();

    [Fact]
    public async Task WatchAsync_AtTheStart_PublishesAllFilesBeforeItsFirstAwait()
    {
        _files.Write("mesh/b.yaml", Rule("b1") + "---\n" + Rule("b2"));
        _files.Write("mesh/a.yaml", Rule("a"));
        _files.Write("mesh/c.txt", "not: a rule");
        _files.Write("mesh/.hidden.yaml", "broken: [");
        _files.Write("one.yml", Rule("one"));

        await _files.StartAsync("one.yml", "mesh/*.yaml", "mesh/a.*");

        Assert.Equal(["one", "a", "b1", "b2"], Names);
        Assert.Empty(_files.Issues);
        Assert.Equal("mesh/b.yaml", _files.Last.Rules[2].Location.Origin);
        Assert.Equal(_files.Options.Config.PollInterval, _files.Time.Wait);
    }

    [Fact]
    public async Task WatchAsync_NoFiles_PublishesNothingAndWaits()
    {
        await _files.StartAsync();

        Assert.Empty(_files.Last.Rules);
    }

    [Fact]
    public async Task WatchAsync_NothingThere_SaysSo()
    {
        await _files.StartAsync("one.yaml", "mesh/*.yaml", "nowhere/*.yaml", "m?sh/a.yaml", "mesh", "mesh/");

        Assert.Equal(
            [
                (IssueSeverity.Error, "one.yaml: there is no such file"),
                (IssueSeverity.Warning, "mesh/*.yaml: no file matches the pattern"),
                (IssueSeverity.Warning, "nowhere/*.yaml: no file matches the pattern: there is no such directory"),
                (IssueSeverity.Error, "m?sh/a.yaml: is not a pattern; allowed: a path, with '*' and '?' in the file's name only"),
                (IssueSeverity.Error, "mesh: is a directory; write 'directory/*.yaml'"),
                (IssueSeverity.Error, "mesh/: is not a pattern; allowed: a path, with '*' and '?' in the file's name only"),
            ],
            _files.Last.Issues.Select(static issue => (issue.Severity, issue.ToString())));
    }

    [Fact]
    public async Task WatchAsync_NothingChanges_PublishesOnce()
    {
        _files.Write("mesh/a.yaml", Rule("a"));
        await _files.StartAsync("mesh/*.yaml");

        await _files.Time.StepAsync(3);
        _files.Touch("mesh/a.yaml");
        await _files.SettleAsync();

        Assert.Single(_files.Batches);
    }

    [Fact]
    public async Task WatchAsync_OneDocumentChanges_TheOthersStayTheSameObjects()
    {
        _files.Write("mesh/a.yaml", Rule("a1") + "---\n" + Rule("a2"));
        _files.Write("mesh/b.yaml", Rule("b"));
        await _files.StartAsync("mesh/*.yaml");
        var before = _files.Last.Rules;

        _files.Write("mesh/a.yaml", Rule("a1") + "---\n" + Rule("a2", host: "other"));
        await _files.SettleAsync();

        var after = _files.Last.Rules;
        Assert.Equal(2, _files.Batches.Count);
        Assert.Same(before[0], after[0]);
        Assert.NotSame(before[1], after[1]);
        Assert.Equal("other", ((DestinationRuleConfig)after[1]).Host);
        Assert.Same(before[2], after[2]);
    }

    [Fact]
    public async Task WatchAsync_DocumentMovesDown_KnowsItsNewLine()
    {
        _files.Write("mesh/a.yaml", Rule("a"));
        await _files.StartAsync("mesh/*.yaml");

        _files.Write("mesh/a.yaml", "# a comment\n" + Rule("a"));
        await _files.SettleAsync();

        Assert.Equal(2, _files.Last.Rules[0].Location.Line);
    }

    [Fact]
    public async Task WatchAsync_Change_IsTakenWhenASecondLookSeesTheSame()
    {
        _files.Write("mesh/a.yaml", Rule("a"));
        await _files.StartAsync("mesh/*.yaml");

        _files.Write("mesh/a.yaml", "");
        await _files.Time.StepAsync();
        Assert.Single(_files.Batches);
        Assert.Equal(IstioFileRuleSource.Settle, _files.Time.Wait);

        _files.Write("mesh/a.yaml", Rule("b"));
        await _files.Time.StepAsync();
        Assert.Single(_files.Batches);

        await _files.Time.StepAsync();
        Assert.Equal(["b"], Names);
        Assert.Equal(2, _files.Batches.Count);
        Assert.Equal(_files.Options.Config.PollInterval, _files.Time.Wait);
    }

    [Fact]
    public async Task WatchAsync_FileBreaks_SaysWhereAndLeavesTheOthers()
    {
        _files.Write("mesh/a.yaml", Rule("a"));
        _files.Write("mesh/b.yaml", Rule("b"));
        await _files.StartAsync("mesh/*.yaml");
        var good = _files.Last.Rules;

        _files.Write("mesh/a.yaml", Rule("new") + "---\nspec: [ 1\n");
        await _files.SettleAsync();

        Assert.Same(good[1], Assert.Single(_files.Last.Rules));
        Assert.StartsWith("mesh/a.yaml:", Assert.Single(_files.Issues), StringComparison.Ordinal);
        Assert.Contains("broken YAML", Assert.Single(_files.Issues), StringComparison.Ordinal);

        _files.Write("mesh/a.yaml", Rule("a"));
        await _files.SettleAsync();

        Assert.Empty(_files.Issues);
        Assert.Same(good[0], _files.Last.Rules[0]);
    }

    [Fact]
    public async Task WatchAsync_DocumentGetsErrors_SaysWhereAndLeavesTheOthers()
    {
        _files.Write("mesh/a.yaml", Rule("a1") + "---\n" + Rule("a2"));
        await _files.StartAsync("mesh/*.yaml");

        _files.Write("mesh/a.yaml", Rule("a1", host: "'a b'") + "---\n" + Rule("a3"));
        await _files.SettleAsync();

        Assert.Equal(["a3"], Names);
        Assert.Equal(
            "mesh/a.yaml:4: DestinationRule default/a1: spec.host: 'a b' is not a host; allowed: a name such as 'reviews', "
            + "'reviews.prod.svc.cluster.local' or 'api.example.com', or a wildcard such as '*.example.com'",
            Assert.Single(_files.Issues));
    }

    [Fact]
    public async Task WatchAsync_FileIsDeleted_ItsRulesGoAfterASecondLook()
    {
        _files.Write("mesh/a.yaml", Rule("a"));
        _files.Write("mesh/b.yaml", Rule("b"));
        await _files.StartAsync("mesh/*.yaml");

        File.Delete(_files.Full("mesh/a.yaml"));
        await _files.Time.StepAsync();
        Assert.Single(_files.Batches);
        await _files.Time.StepAsync();

        Assert.Equal(["b"], Names);
    }

    [Fact]
    public async Task WatchAsync_EditorSavesByRenaming_NothingIsLostBetween()
    {
        _files.Write("mesh/a.yaml", Rule("a"));
        await _files.StartAsync("mesh/*.yaml");

        File.Move(_files.Full("mesh/a.yaml"), _files.Full("mesh/a.yaml~"));
        await _files.Time.StepAsync();
        _files.Write("mesh/a.yaml", Rule("b"));
        await _files.SettleAsync();

        Assert.Equal(2, _files.Batches.Count);
        Assert.Equal(["b"], Names);
    }

    [Fact]
    public async Task WatchAsync_NamedFileIsDeleted_KeepsItsRulesWithAnError()
    {
        _files.Write("one.yaml", Rule("a"));
        await _files.StartAsync("one.yaml");

        File.Delete(_files.Full("one.yaml"));
        await _files.SettleAsync();

        Assert.Equal(["a"], Names);
        Assert.Equal("one.yaml: there is no such file", Assert.Single(_files.Issues));

        _files.Write("one.yaml", Rule("b"));
        await _files.SettleAsync();

        Assert.Equal(["b"], Names);
        Assert.Empty(_files.Issues);
    }

    [Fact]
    public async Task WatchAsync_DirectoryGoesAway_KeepsAllRulesWithAnError()
    {
        _files.Write("mesh/a.yaml", Rule("a"));
        await _files.StartAsync("mesh/*.yaml");

        Directory.Delete(_files.Full("mesh"), recursive: true);
        await _files.Time.StepAsync(4);

        Assert.Equal(["a"], Names);
        Assert.Contains(_files.Last.Issues, static issue => issue.Severity == IssueSeverity.Error);
    }

    [Fact]
    public async Task WatchAsync_NewFile_Joins()
    {
        await _files.StartAsync("mesh/*.yaml");

        _files.Write("mesh/new.yaml", Rule("new"));
        await _files.SettleAsync();

        Assert.Equal(["new"], Names);
        Assert.Empty(_files.Issues);
    }

    [Fact]
    public async Task WatchAsync_LinksAreSwapped_AsKubernetesMountsFiles()
    {
        Directory.CreateDirectory(_files.Full("v1"));
        Directory.CreateDirectory(_files.Full("v2"));
        _files.Write("v1/a.yaml", Rule("a"));
        _files.Write("v2/a.yaml", Rule("b"));
        Directory.CreateSymbolicLink(_files.Full("mesh/..data"), _files.Full("v1"));
        File.CreateSymbolicLink(_files.Full("mesh/a.yaml"), "..data/a.yaml");
        await _files.StartAsync("mesh/*.yaml");
        Assert.Equal(["a"], Names);

        Directory.CreateSymbolicLink(_files.Full("mesh/..tmp"), _files.Full("v2"));
        Directory.Delete(_files.Full("mesh/..data"));
        Directory.Move(_files.Full("mesh/..tmp"), _files.Full("mesh/..data"));
        await _files.SettleAsync();

        Assert.Equal(["b"], Names);
    }

    [Fact]
    public async Task WatchAsync_FileCannotBeRead_IsAnErrorAndTriedAgain()
    {
        _files.Write("mesh/a.yaml", Rule("a"));
        await _files.StartAsync("mesh/*.yaml");

        File.Delete(_files.Full("mesh/a.yaml"));
        File.CreateSymbolicLink(_files.Full("mesh/a.yaml"), "b.yaml");
        File.CreateSymbolicLink(_files.Full("mesh/b.yaml"), "a.yaml");
        await _files.SettleAsync();

        Assert.Equal(["a"], Names);
        Assert.All(_files.Issues, static issue => Assert.Contains("yaml: cannot be read", issue, StringComparison.Ordinal));

        File.Delete(_files.Full("mesh/a.yaml"));
        File.Delete(_files.Full("mesh/b.yaml"));
        _files.Write("mesh/a.yaml", Rule("back"));
        await _files.SettleAsync();

        Assert.Equal(["back"], Names);
        Assert.Empty(_files.Issues);
    }

    [Fact]
    public async Task WatchAsync_NameIsTakenTwice_TheOneInEffectStays()
    {
        _files.Write("mesh/b.yaml", Rule("same", host: "old"));
        await _files.StartAsync("mesh/*.yaml");

        _files.Write("mesh/a.yaml", "# first in the directory\n" + Rule("same", host: "new"));
        await _files.SettleAsync();

        Assert.Equal("old", ((DestinationRuleConfig)Assert.Single(_files.Last.Rules)).Host);
        Assert.Equal(
            "mesh/a.yaml:2: DestinationRule default/same: the name is taken: it is also in mesh/b.yaml:1",
            Assert.Single(_files.Issues));
    }

    [Fact]
    public async Task WatchAsync_NameIsTakenTwiceInOneFile_SaysBothLines()
    {
        _files.Write("mesh/a.yaml", Rule("same") + "---\n" + Rule("same"));
        await _files.StartAsync("mesh/*.yaml");

        Assert.Equal(
            "mesh/a.yaml:6: DestinationRule default/same: the name is taken: it is also in mesh/a.yaml:1",
            Assert.Single(_files.Issues));
    }

    [Fact]
    public async Task WatchAsync_LargeFile_IsRefusedUnread()
    {
        _files.Write("mesh/a.yaml", Rule("a") + "#" + new string('x', 1024 * 1024));
        await _files.StartAsync("mesh/*.yaml");

        Assert.Empty(Names);
        Assert.Matches(
            @"^mesh/a.yaml: has \d{7} bytes; allowed: at most 524288 \(Mesh:Config:MaxFileSize\)$", Assert.Single(_files.Issues));
    }

    [Fact]
    public async Task WatchAsync_LimitIsRaised_LargeFileIsRead()
    {
        _files.Options.Config.MaxFileSize = 2 * 1024 * 1024;
        _files.Write("mesh/a.yaml", Rule("a") + "#" + new string('x', 1024 * 1024));
        await _files.StartAsync("mesh/*.yaml");

        Assert.Equal(["a"], Names);
    }

    public static TheoryData<byte[], string> Unreadable => new()
    {
        { [0x61, 0x0A, 0xC3, 0x28], "mesh/a.yaml:2: is not UTF-8 text" },
        { [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1, 0, 0, 0], "mesh/a.yaml:1: the control character \\u007f is no YAML; is this a text?" },
        { [0x61, 0x3A, 0x20, 0x31, 0x0A, 0x00], "mesh/a.yaml:2: the control character \\u0000 is no YAML; is this a text?" },
        { [0xFF, 0xFE, 0x61, 0x00], "mesh/a.yaml: is UTF-16; save it as UTF-8" },
        { [0xFE, 0xFF, 0x00, 0x61], "mesh/a.yaml: is UTF-16; save it as UTF-8" },
    };

    [Theory]
    [MemberData(nameof(Unreadable))]
    public async Task WatchAsync_BinaryFile_IsRefused(byte[] bytes, string issue)
    {
        _files.Write("mesh/a.yaml", bytes);
        await _files.StartAsync("mesh/*.yaml");

        Assert.Equal(issue, Assert.Single(_files.Issues));
    }

    [Fact]
    public async Task WatchAsync_RandomBytes_NeverStopIt()
    {
        var random = new Random(7);
        for (var i = 0; i < 50; i++)
        {
            var bytes = new byte[random.Next(2000)];
            random.NextBytes(bytes);
            _files.Write($"mesh/{i}.yaml", bytes);
        }

        await _files.StartAsync("mesh/*.yaml");

        Assert.Empty(Names);
    }

    [Fact]
    public async Task WatchAsync_ByteOrderMarkAndWindowsLines_AreRead()
    {
        var text = (Rule("a") + "---\n" + Rule("b")).ReplaceLineEndings("\r\n");
        _files.Write("mesh/a.yaml", [.. Encoding.UTF8.Preamble, .. Encoding.UTF8.GetBytes(text)]);
        await _files.StartAsync("mesh/*.yaml");

        Assert.Equal(["a", "b"], Names);
        Assert.Equal([1, 6], _files.Last.Rules.Select(static rule => rule.Location.Line));
    }

    [Fact]
    public async Task WatchAsync_Strict_RefusesWhatIsNotSupported()
    {
        _files.Options.Config.Strict = true;
        _files.Options.Namespace = "prod";
        _files.Write("mesh/a.yaml", Rule("a") + "---\napiVersion: v1\nkind: Service\nmetadata: { name: s }\n");
        await _files.StartAsync("mesh/*.yaml");

        Assert.Equal("prod", Assert.Single(_files.Last.Rules).Namespace);
        Assert.Equal(
            "mesh/a.yaml:6: Service prod/s: the document 'Service' of 'v1' is not supported, which is an error because "
            + "Mesh:Config:Strict is true",
            Assert.Single(_files.Issues));
    }

    [Fact]
    public async Task WatchAsync_AnAbsolutePath_IsRead()
    {
        _files.Write("one.yaml", Rule("a"));
        await _files.StartAsync(_files.Full("one.yaml"));

        Assert.Equal(["a"], Names);
    }
}
