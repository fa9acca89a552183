using Mesh.Discovery.Catalogs;
using Mesh.Discovery.Security;

namespace Mesh.Discovery.Tests.Catalogs;

public sealed class FileCatalogViewTests : FileCatalogFixture
{
    [Fact]
    public void Poll_EmptyDirectory_IsSyncedOnce()
    {
        View.Poll();
        View.Poll();

        Assert.Equal(1, Observer.SyncedCount);
        Assert.Empty(Observer.Changes);
    }

    [Fact]
    public void Poll_HeartbeatStops_LeavesAfterExpiry()
    {
        Write("a.json", Document("http://127.0.0.1:1"));
        View.Poll();

        PollFor(Options.Expiry);
        Assert.Equal(["127.0.0.1:1"], Addresses(Reviews));
        PollFor(Options.PollInterval);

        Assert.Empty(Observer[Reviews]);
        Assert.Equal(2, Observer.Changes.Count);
    }

    [Fact]
    public void Poll_HeartbeatOlderThanExpiryAtFirstSight_IsNotShownUntilItBeats()
    {
        var path = Write("a.json", Document("http://127.0.0.1:1"));
        Time.Advance(Options.Expiry + TimeSpan.FromSeconds(1));

        View.Poll();
        Assert.Empty(Observer.Changes);
        Touch(path);
        PollFor(Options.PollInterval);

        Assert.Equal(["127.0.0.1:1"], Addresses(Reviews));
    }

    [Fact]
    public void Poll_HeartbeatPartlyOldAtFirstSight_HasOnlyTheRest()
    {
        Write("a.json", Document("http://127.0.0.1:1"));
        Time.Advance(Options.Expiry - TimeSpan.FromSeconds(1));

        View.Poll();
        PollFor(TimeSpan.FromSeconds(1));
        Assert.Single(Observer[Reviews]);
        PollFor(Options.PollInterval);

        Assert.Empty(Observer[Reviews]);
    }

    [Fact]
    public void Poll_ModifiedInTheFuture_IsFreshButMustKeepBeating()
    {
        var path = Write("a.json", Document("http://127.0.0.1:1"));
        File.SetLastWriteTimeUtc(path, Time.GetUtcNow().UtcDateTime.AddDays(1));

        View.Poll();
        PollFor(Options.Expiry);
        Assert.Single(Observer[Reviews]);
        File.SetLastWriteTimeUtc(path, Time.GetUtcNow().UtcDateTime.AddHours(23));
        PollFor(Options.Expiry);
        Assert.Single(Observer[Reviews]);
        PollFor(TimeSpan.FromSeconds(1));

        Assert.Empty(Observer[Reviews]);
    }

    [Fact]
    public void Poll_MuchLaterThanPlanned_GivesTheOthersTimeFirst()
    {
        var path = Write("living.json", Document("http://127.0.0.1:1"));
        Write("dead.json", Document("http://127.0.0.1:2"));
        View.Poll();

        Time.Advance(TimeSpan.FromHours(3));
        View.Poll();
        Assert.Equal(2, Observer[Reviews].Count);
        Touch(path);
        PollFor(Options.Expiry / 2);
        Assert.Equal(2, Observer[Reviews].Count);
        PollFor(Options.PollInterval);

        Assert.Equal(["127.0.0.1:1"], Addresses(Reviews));
        Assert.Equal(2, Documents.Length);
    }

    [Fact]
    public void Poll_LateEveryTime_StillLosesTheDead()
    {
        Write("dead.json", Document("http://127.0.0.1:1"));
        var living = Write("living.json", Document("http://127.0.0.1:2"));
        View.Poll();

        for (var round = 0; round < 3; round++)
        {
            Time.Advance(Options.PollInterval + (Options.Expiry / 2) + TimeSpan.FromMilliseconds(1));
            Touch(living);
            View.Poll();
        }

        // Three gaps of half of Expiry each, none of which may expire anything.
        Assert.Equal(2, Observer[Reviews].Count);
        Time.Advance(Options.Expiry / 2);
        Touch(living);
        View.Poll();
        Time.Advance(Options.Expiry / 2);
        Touch(living);
        View.Poll();
        Assert.Equal(["127.0.0.1:2"], Addresses(Reviews));
    }

    [Fact]
    public void Poll_DirectoryVanishesAndComesBack_KeepsTheViewUntilOwnersHadTime()
    {
        Write("a.json", Document("http://127.0.0.1:1"));
        Write("b.json", Document("http://127.0.0.1:2"));
        Write("dead.json", Document("http://127.0.0.1:3"));
        View.Poll();

        Directory.Delete(Root, recursive: true);
        PollFor(TimeSpan.FromMinutes(1));
        Assert.Equal(3, Observer[Reviews].Count);
        PrivateDirectory.Create(Root);
        var first = Write("a.json", Document("http://127.0.0.1:1"));
        PollFor(TimeSpan.FromSeconds(1));
        Assert.Equal(3, Observer[Reviews].Count);
        var second = Write("b.json", Document("http://127.0.0.1:2"));
        for (var beat = 0; beat < 4; beat++)
        {
            PollFor(TimeSpan.FromSeconds(1));
            Touch(first);
            Touch(second);
        }

        Assert.Equal(["127.0.0.1:1", "127.0.0.1:2"], Addresses(Reviews));
        Assert.Equal(2, Observer.Changes.Count);
        Assert.Single(Warnings);
        Assert.Contains(Logger.Collector.GetSnapshot(), static log => log.Message.Contains("can be read again", StringComparison.Ordinal));
    }

    [Fact]
    public void Poll_DirectoryMissingAtStart_SyncsWhenItCanBeRead()
    {
        Directory.Delete(Root);

        View.Poll();
        Assert.Equal(0, Observer.SyncedCount);
        PrivateDirectory.Create(Root);
        Write("a.json", Document("http://127.0.0.1:1"));
        View.Poll();

        Assert.Equal(1, Observer.SyncedCount);
        Assert.Single(Observer[Reviews]);
    }

    [Fact]
    public void Poll_OneServiceChanges_ReportsOnlyThatOne()
    {
        var reviews = Write("a.json", Document("http://127.0.0.1:1"));
        var ratings = Write("b.json", Document("http://127.0.0.1:2", service: "ratings"));
        View.Poll();
        Observer.Changes.Clear();

        Write("a.json", Document("http://127.0.0.1:1", version: "v10"));
        View.Poll();
        Touch(reviews);
        Touch(ratings);
        View.Poll();

        Assert.Equal([Reviews], Observer.Changes);
        Assert.Equal("v10", Observer[Reviews][0].Labels["version"]);
    }

    [Fact]
    public void Poll_DocumentChangesItsService_MovesTheEndpoint()
    {
        Write("a.json", Document("http://127.0.0.1:1"));
        View.Poll();

        Write("a.json", Document("http://127.0.0.1:1", service: "ratings2"));
        View.Poll();

        Assert.Empty(Observer[Reviews]);
        Assert.Single(Observer[new ServiceName("ratings2", "prod")]);
    }

    [Fact]
    public void Poll_EditInPlaceOfTheSameLength_IsFound()
    {
        Write("a.json", Document("http://127.0.0.1:1", version: "v1"));
        View.Poll();
        Time.Advance(Options.PollInterval);

        Write("a.json", Document("http://127.0.0.1:1", version: "v2"));
        View.Poll();

        Assert.Equal("v2", Observer[Reviews][0].Labels["version"]);
    }

    [Fact]
    public void Poll_TwoDocumentsWithOneAddress_TheLaterStartWins()
    {
        Write("a.json", Document("http://127.0.0.1:1").Replace("\"id\"", "\"startedAt\": \"2030-01-01T00:00:01Z\", \"id\""));
        Write("b.json", Document("http://127.0.0.1:1", version: "v2").Replace("\"id\"", "\"startedAt\": \"2030-01-01T00:00:02Z\", \"id\""));
        Write("c.json", Document("http://127.0.0.1:1", version: "v3"));

        View.Poll();

        Assert.Equal("v2", Assert.Single(Observer[Reviews]).Labels["version"]);
    }

    [Theory]
    [InlineData("", "it is empty")]
    [InlineData("garbage", "'g' is an invalid start")]
    [InlineData("null", "null")]
    [InlineData("[]", "could not be converted")]
    [InlineData("{}", "missing required properties")]
    [InlineData("""{ "id": "x", "service": "reviews", "namespace": "prod", "address": null }""", "address")]
    [InlineData("""{ "id": "x", "service": "reviews", "namespace": "prod", "address": "127.0.0.1:80" }""", "'address' is '127.0.0.1:80'")]
    [InlineData("""{ "id": "x", "service": "reviews", "namespace": "prod", "address": "ftp://a:1" }""", "'address' is 'ftp://a:1'")]
    [InlineData("""{ "id": "x", "service": "reviews", "namespace": "prod", "address": "http://a:1/x" }""", "and nothing more")]
    [InlineData("""{ "id": "x", "service": "reviews", "namespace": "prod", "address": "http://u:p@a:1" }""", "and nothing more")]
    [InlineData("""{ "id": "x", "service": "re.views", "namespace": "prod", "address": "http://a:1" }""", "'service' is 're.views'")]
    [InlineData("""{ "id": "x", "service": "", "namespace": "", "address": "http://a:1", "weight": -1 }""", "'weight' is -1")]
    [InlineData("""{ "id": "x", "id": "y", "service": "a", "namespace": "b", "address": "http://a:1" }""", "id")]
    [InlineData("""{ "id": "x", "service": "a", "namespace": "b", "address": "http://a:1", "labels": { "a": 1 } }""", "labels")]
    [InlineData("""{ "id": "x", "service": "a", "namespace": "b", "address": "http://a:1", "weight": "many" }""", "weight")]
    public void Poll_BadDocument_IsNamedOnceAndTheOthersGoOn(string content, string reason)
    {
        var bad = Write("bad.json", content);
        var good = Write("good.json", Document("http://127.0.0.1:1"));

        for (var beat = 0; beat < 20; beat++)
        {
            View.Poll();
            Time.Advance(TimeSpan.FromSeconds(1));
            Touch(bad);
            Touch(good);
        }

        Assert.Equal(["127.0.0.1:1"], Addresses(Reviews));
        Assert.Equal([Reviews], Observer.Changes);
        var warning = Assert.Single(Warnings);
        Assert.Contains(bad, warning, StringComparison.Ordinal);
        Assert.Contains(reason, warning, StringComparison.Ordinal);
    }

    [Fact]
    public void Poll_DocumentTooLarge_IsNamedOnce()
    {
        var path = Write("big.json", Document("http://127.0.0.1:1") + new string(' ', FileCatalogDocument.MaxBytes));

        for (var beat = 0; beat < 20; beat++)
        {
            View.Poll();
            Time.Advance(TimeSpan.FromSeconds(1));
            Touch(path);
        }

        Assert.Empty(Observer.Changes);
        Assert.Contains("65536 are allowed", Assert.Single(Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void Poll_GoodDocumentTurnsBad_KeepsTheLastGoodVersionWhileItBeats()
    {
        var path = Write("a.json", Document("http://127.0.0.1:1"));
        View.Poll();

        Write("a.json", "{");
        for (var beat = 0; beat < 20; beat++)
        {
            PollFor(TimeSpan.FromSeconds(1));
            Touch(path);
        }

        Assert.Single(Observer[Reviews]);
        Assert.Single(Warnings);
        Write("a.json", "{ ");
        PollFor(Options.PollInterval);
        Assert.Equal(2, Warnings.Count);
        PollFor(Options.Expiry + Options.PollInterval);
        Assert.Empty(Observer[Reviews]);
    }

    [Fact]
    public void Poll_OtherFiles_AreLeftAlone()
    {
        Write("readme.txt", "hello");
        Write(".hidden.json", "hello");
        Directory.CreateDirectory(Path.Combine(Root, "directory.json"));

        View.Poll();

        Assert.Empty(Observer.Changes);
        Assert.Empty(Warnings);
    }

    [Fact]
    public void Poll_UnknownProperties_AreForALaterVersion()
    {
        Write("a.json", Document("http://127.0.0.1:1").Replace("\"id\"", "\"later\": { \"a\": [1] }, \"id\""));

        View.Poll();

        Assert.Single(Observer[Reviews]);
        Assert.Empty(Warnings);
    }

    [Fact]
    public void Poll_LongDeadDocument_IsSweptOnceWatchedForExpiry()
    {
        Write("dead.json", Document("http://127.0.0.1:1"));
        Write("not-ours.json", """{ "name": "package" }""");
        Write(".dead.json.0123456789abcdef.mesh-tmp", "half");
        Time.Advance(FileCatalogView.SweepAge);

        View.Poll();
        PollFor(Options.Expiry - Options.PollInterval);
        Assert.Equal(2, Documents.Length);
        PollFor(TimeSpan.FromSeconds(1));

        Assert.Equal("not-ours.json", Path.GetFileName(Assert.Single(Directory.GetFiles(Root))));
        Assert.Contains(Logger.Collector.GetSnapshot(), static log => log.Message.StartsWith("Deleted", StringComparison.Ordinal));
    }

    [Fact]
    public void Poll_SeemsLongDeadBecauseTheClockJumped_IsNotSwept()
    {
        var path = Write("a.json", Document("http://127.0.0.1:1"));
        Time.Advance(TimeSpan.FromDays(1));

        for (var beat = 0; beat < 20; beat++)
        {
            View.Poll();
            Time.Advance(TimeSpan.FromSeconds(1));
            File.SetLastWriteTimeUtc(path, File.GetLastWriteTimeUtc(path).AddSeconds(1));
        }

        Assert.Single(Documents);
        Assert.Single(Observer[Reviews]);
    }

    [Fact]
    public void Poll_UnreadableFile_IsNamedOnceAndTheOthersGoOn()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs /proc");
        Write("good.json", Document("http://127.0.0.1:1"));

        // Its first bytes cannot be read by anybody, not even by root.
        File.CreateSymbolicLink(Path.Combine(Root, "bad.json"), "/proc/self/mem");

        View.Poll();
        PollFor(TimeSpan.FromSeconds(4));

        Assert.Single(Observer[Reviews]);
        Assert.Contains("bad.json", Assert.Single(Warnings), StringComparison.Ordinal);
    }
}
