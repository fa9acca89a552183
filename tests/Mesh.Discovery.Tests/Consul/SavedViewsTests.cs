using System.Text;
using Mesh.Discovery.Consul;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Discovery.Tests.Consul;

public sealed class SavedViewsTests : IDisposable
{
    private const string Query = "/v1/health/service/web?dc=dc1";

    private readonly FakeTimeProvider _time = new();
    private readonly FakeLogger _logger = new();
    private readonly string _root = Path.Combine(Path.GetTempPath(), $"mesh-views-{Guid.NewGuid():N}");
    private readonly string _directory;
    private readonly SavedViews _views;

    public SavedViewsTests()
    {
        _directory = Path.Combine(_root, "caller.default-1");
        _views = Open();
    }

    public void Dispose()
    {
        _views.Dispose();
        if (Directory.Exists(_root))
        {
            Directory.Delete(_root, recursive: true);
        }
    }

    [Fact]
    public void Remove_NothingWasEverSaved_IsNoFailure()
    {
        using var saved = new SavedViews(Path.Combine(_root, "never"), _time, _logger);

        saved.Remove("/v1/connect/intentions");

        Assert.Equal(0, _logger.Collector.Count);
    }

    [Fact]
    public void Save_IsWrittenASecondLaterAndReadAsItWas()
    {
        Save("[1]");
        Save("""[ { "a": "ü" } ]""");
        Assert.False(Directory.Exists(_directory));
        _time.Advance(TimeSpan.FromSeconds(1));

        var saved = Open().Load(Query)!;
        Assert.Equal("""[ { "a": "ü" } ]""", Encoding.UTF8.GetString(saved.Body));
        Assert.Equal(_time.GetUtcNow(), saved.SavedAt);
        Assert.Equal([Query], Open().Queries());
        Assert.EndsWith(".json", Assert.Single(Directory.GetFiles(_directory)), StringComparison.Ordinal);
        Assert.Empty(_logger.Collector.GetSnapshot());
    }

    [Fact]
    public void Dispose_WritesWhatIsPending()
    {
        Save("[1]");
        _views.Dispose();

        Assert.NotNull(Open().Load(Query));
    }

    [Fact]
    public void Write_FileAndDirectory_AreForThisUserOnly()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no such modes.");
        Write("[1]");

        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Directory.GetFiles(_directory).Single()));
            Assert.Equal(
                UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_directory));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("""{ "query": null, "savedAt": "2026-01-01T00:00:00Z", "answer": [] }""")]
    [InlineData("""{ "query": 5, "savedAt": "2026-01-01T00:00:00Z", "answer": [] }""")]
    [InlineData("""{ "query": "/v1/health/service/web?dc=dc1", "savedAt": "yesterday", "answer": [] }""")]
    [InlineData("""{ "query": "/v1/health/service/web?dc=dc1", "savedAt": "2026-01-01T00:00:00Z" }""")]
    [InlineData("\0\u0001\u0002")]
    public void Load_CorruptFile_IsToldOnceAndReplacedByTheNextAnswer(string content)
    {
        Write("[1]");
        File.WriteAllText(Directory.GetFiles(_directory).Single(), content);
        using var views = Open();

        Assert.Null(views.Load(Query));
        Assert.Null(views.Load(Query));
        Assert.Empty(views.Queries());
        Assert.Equal(321, Assert.Single(_logger.Collector.GetSnapshot()).Id.Id);

        views.Save(Query, "[2]"u8.ToArray());
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("[2]", Encoding.UTF8.GetString(Open().Load(Query)!.Body));
    }

    [Fact]
    public void Load_FileOfAnotherQuery_IsNotTaken()
    {
        Write("[1]");
        var file = Directory.GetFiles(_directory).Single();
        File.WriteAllText(file, File.ReadAllText(file).Replace("service/web", "service/evil", StringComparison.Ordinal));

        Assert.Null(Open().Load(Query));
    }

    [Theory]
    [InlineData("/v1/health/service/")]
    [InlineData("/v1/health/service/?dc=")]
    [InlineData("/v1/health/service/a.b")]
    [InlineData("/v1/health/service/web?dc=other")]
    [InlineData("/v1/kv/mesh/config/?recurse")]
    [InlineData("")]
    public void ServiceOf_QueryOfNoService_IsNull(string query) =>
        Assert.Null(ConsulQueries.ServiceOf(query, new MeshOptions()));

    [Theory]
    [InlineData("web", "")]
    [InlineData("my_service", "dc 1")]
    [InlineData("fünf", "dc1")]
    public void ServiceOf_HealthQuery_IsItsService(string service, string datacenter)
    {
        var options = new MeshOptions { Namespace = "prod" };
        options.Discovery.Consul.Datacenter = datacenter;
        var query = ConsulQueries.Health(new ConsulServiceName(service, "prod", null), options.Discovery.Consul);

        Assert.Equal(new ServiceName(service, "prod"), ConsulQueries.ServiceOf(query.Path, options));
    }

    [Fact]
    public void Write_DirectoryThatCannotBeMade_IsToldOnceAndNothingElseHappens()
    {
        Directory.CreateDirectory(_root);
        File.WriteAllText(_directory, "a file is in the way");
        Save("[1]");
        _time.Advance(TimeSpan.FromSeconds(1));
        Save("[2]");
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.Null(_views.Load(Query));
        Assert.Empty(_views.Queries());
        _views.Remove(Query);
        Assert.Equal(321, Assert.Single(_logger.Collector.GetSnapshot()).Id.Id);
    }

    [Fact]
    public void Write_AfterAFailure_IsTriedAgain()
    {
        Directory.CreateDirectory(_root);
        File.WriteAllText(_directory, "a file is in the way");
        Save("[1]");
        _time.Advance(TimeSpan.FromSeconds(1));
        File.Delete(_directory);
        _time.Advance(TimeSpan.FromMinutes(1));

        Assert.NotNull(Open().Load(Query));
    }

    [Fact]
    public void Remove_SavedOrPending_IsGone()
    {
        Write("[1]");
        Save("[2]");
        _views.Remove(Query);
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.Null(_views.Load(Query));
        Assert.Empty(Directory.GetFiles(_directory));
        _views.Remove("/v1/never");
        Assert.Empty(_logger.Collector.GetSnapshot());
    }

    [Fact]
    public async Task Write_TwoWritersAtOnce_OneOfTheirTextsIsThereWhole()
    {
        var one = new string('1', 100_000);
        var two = new string('2', 100_000);
        using var other = Open();
        for (var i = 0; i < 30; i++)
        {
            _views.Save(Query, Encoding.UTF8.GetBytes($"\"{one}\""));
            other.Save(Query, Encoding.UTF8.GetBytes($"\"{two}\""));
            await Task.WhenAll(
                Task.Run(() => _time.Advance(TimeSpan.FromSeconds(1)), TestContext.Current.CancellationToken),
                Task.Run(other.Dispose, TestContext.Current.CancellationToken));
            var text = Encoding.UTF8.GetString(Open().Load(Query)!.Body).Trim('"');
            Assert.True(text == one || text == two);
        }

        Assert.Empty(_logger.Collector.GetSnapshot());
        Assert.Single(Directory.GetFiles(_directory));
    }

    [Fact]
    public void NoDirectory_NothingIsDone()
    {
        using var views = new SavedViews(null, _time, _logger);
        views.Save(Query, "[1]"u8.ToArray());
        views.Remove(Query);

        Assert.Null(views.Load(Query));
        Assert.Empty(views.Queries());
    }

    [Fact]
    public void DirectoryOf_OtherAgentServiceOrPrefix_IsAnother()
    {
        var all = new[] { Of(_ => { }), Of(o => o.Service = "b"), Of(o => o.Namespace = "b"), Of(o => o.Config.Consul.KeyPrefix = "b/"),
            Of(o => o.Discovery.Consul.Datacenter = "b"), Of(o => o.Discovery.Consul.Address = new Uri("http://b:1")) };
        Assert.Equal(all.Length, all.Distinct().Count());
        Assert.Null(Of(o => o.Discovery.Consul.SavedViewPath = "none"));

        string? Of(Action<MeshOptions> change)
        {
            var options = new MeshOptions();
            options.Discovery.Consul.SavedViewPath = _root;
            change(options);
            return SavedViews.DirectoryOf(options, "/");
        }
    }

    private SavedViews Open() => new(_directory, _time, _logger);

    private void Save(string body) => _views.Save(Query, Encoding.UTF8.GetBytes(body));

    private void Write(string body)
    {
        Save(body);
        _time.Advance(TimeSpan.FromSeconds(1));
    }
}
