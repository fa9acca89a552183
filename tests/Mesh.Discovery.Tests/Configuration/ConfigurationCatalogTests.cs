using Mesh.Discovery.Catalogs;
using Mesh.Discovery.Configuration;
using Mesh.Discovery.Tests.Rules.Reading;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace Mesh.Discovery.Tests.Configuration;

public sealed class ConfigurationCatalogTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    [Fact]
    public void Parse_EveryField_IsRead()
    {
        var (services, issues) = Parse("""
            { "reviews": { "Endpoints": [
                { "Address": "http://127.0.0.1:9081", "Labels": { "version": "v1" }, "Weight": 3,
                  "Locality": { "Region": "eu", "Zone": "eu-1", "SubZone": "rack" } },
                { "Address": "https://[::1]:9082" } ] },
              "ratings.prod": { "Endpoints": [ { "Address": "http://ratings", "Weight": 0 } ] },
              "api.example.com": { "Endpoints": [] },
              "nothing": {} }
            """);

        Assert.Empty(issues);
        Assert.Equal(
            ["api.example.com", "nothing.default", "ratings.prod", "reviews.default"],
            services.Keys.Select(static name => name.ToString()).Order());
        var reviews = services[new ServiceName("reviews", "default")]!;
        Assert.Equal(
            new Endpoint
            {
                Address = new Uri("http://127.0.0.1:9081"),
                Labels = new Labels([new("version", "v1")]),
                Weight = 3,
                Locality = new Locality("eu", "eu-1", "rack"),
            },
            reviews[0]);
        Assert.Equal(new Endpoint { Address = new Uri("https://[::1]:9082") }, reviews[1]);
        Assert.Equal(80, services[new ServiceName("ratings", "prod")]![0].Address.Port);
        Assert.Empty(services[ServiceName.External("api.example.com")]!);
    }

    [Theory]
    [InlineData("""[ { "Address": "127.0.0.1:80" } ]""", "Endpoints:0:Address: '127.0.0.1:80' is not an address; allowed: scheme, host and port, such as 'http://10.1.2.3:8080', without a path")]
    [InlineData("""[ { "Address": "http://a:80/path" } ]""", "'http://a:80/path' is not an address")]
    [InlineData("""[ { "Address": "http://a:80?q" } ]""", "is not an address")]
    [InlineData("""[ { "Address": "http://u:p@a:80" } ]""", "is not an address")]
    [InlineData("""[ { "Address": "ftp://a:80" } ]""", "is not an address")]
    [InlineData("""[ { "Address": "http://a:0" } ]""", "is not an address")]
    [InlineData("""[ { "Address": "http://:80" } ]""", "is not an address")]
    [InlineData("""[ { "Address": "" } ]""", "'' is not an address")]
    [InlineData("""[ {} ]""", "Endpoints:0")]
    [InlineData("""[ { "Weight": 1 } ]""", "Endpoints:0: 'Address' is missing")]
    [InlineData("""[ "http://a:80" ]""", "Endpoints:0: 'http://a:80' stands where keys and values are wanted")]
    [InlineData("""[ { "Address": "http://a:80", "Weight": 65536 } ]""", "Weight: '65536' is out of range; allowed: a whole number from 0 to 65535")]
    [InlineData("""[ { "Address": "http://a:80", "Wight": 1 } ]""", "Wight: unknown key 'Wight'; did you mean 'Weight'? (allowed: Address, Labels, Weight, Locality, SpeaksMtls)")]
    [InlineData("""[ { "Address": "http://a:80", "Locality": { "Zone": "z" } } ]""", "Locality: names a part without the wider one")]
    [InlineData("""[ { "Address": "http://a:80" }, { "Address": "http://A:80/" } ]""", "Endpoints:1:Address: 'http://A:80/' is already an endpoint of this service at Mesh:Services:s:Endpoints:0")]
    public void Parse_BadEndpoint_SaysPlaceValueAndWhatIsAllowed(string endpoints, string error)
    {
        var (services, issues) = Parse($$"""{ "s": { "Endpoints": {{endpoints}} } }""");

        Assert.Null(Assert.Single(services).Value);
        Assert.Contains(error, Assert.Single(issues).ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Parse_BadServices_AreAllReported()
    {
        var (services, issues) = Parse("""
            { "good": { "Endpoints": [ { "Address": "http://a:80" } ] },
              "a b": { "Endpoints": [] },
              "good.default": { "Endpoints": [] },
              "typo": { "Endpoint": [] },
              "text": "http://a:80" }
            """);

        Assert.Equal(
            [
                "Mesh:Services:a b: 'a b' is not a service; allowed: a name such as 'reviews', "
                + "'reviews.prod.svc.cluster.local' or 'api.example.com'",
                "Mesh:Services:good.default: names the same service as Mesh:Services:good; list all of its endpoints in one place",
                "Mesh:Services:text: 'http://a:80' stands where keys and values are wanted; allowed: a map",
                "Mesh:Services:typo:Endpoint: unknown key 'Endpoint'; did you mean 'Endpoints'? (allowed: Endpoints)",
            ],
            issues.Select(static issue => $"{issue.Location.Path}: {issue.Message}").Order());
        Assert.Single(Assert.Single(services, static s => s.Value is not null).Value!);
    }

    [Fact]
    public async Task WatchAsync_Reload_ReportsChangesOnlyAndKeepsTheLastGood()
    {
        var memory = new ReloadableSource();
        memory["Mesh:Services:a:Endpoints:0:Address"] = "http://a:80";
        memory["Mesh:Services:b:Endpoints:0:Address"] = "http://b:80";
        var observer = new Observer();
        var logger = new FakeLogger<ConfigurationCatalog>();
        var catalog = new ConfigurationCatalog(
            new ConfigurationBuilder().Add(memory).Build(), new MeshOptions(), logger);
        using var stop = new CancellationTokenSource();

        var watch = catalog.WatchAsync(observer, stop.Token);
        Assert.Equal(["a.default=http://a/", "b.default=http://b/", "synced"], observer.Take());

        memory["Mesh:Services:a:Endpoints:0:Address"] = "http://a:81";
        memory.Reload();
        Assert.Equal("a.default=http://a:81/", await observer.NextAsync());

        memory["Mesh:Services:a:Endpoints:0:Address"] = "nonsense";
        memory["Mesh:Services:b:Endpoints:1:Address"] = "http://b:81";
        memory.Reload();
        Assert.Equal("b.default=http://b/,http://b:81/", await observer.NextAsync());
        Assert.Contains("'nonsense' is not an address", logger.LatestRecord.Message, StringComparison.Ordinal);
        Assert.Equal(LogLevel.Error, logger.LatestRecord.Level);

        memory.Remove("Mesh:Services:b:Endpoints:0:Address");
        memory.Remove("Mesh:Services:b:Endpoints:1:Address");
        memory.Reload();
        Assert.Equal("b.default=", await observer.NextAsync());

        memory.Remove("Mesh:Services:a:Endpoints:0:Address");
        memory.Reload();
        Assert.Equal("a.default=", await observer.NextAsync());

        await stop.CancelAsync();
        await watch.WaitAsync(s_patience, TestContext.Current.CancellationToken);
        Assert.Empty(observer.Take());
    }

    private static (IReadOnlyDictionary<ServiceName, IReadOnlyList<Endpoint>?>, IReadOnlyList<Mesh.Discovery.Rules.RuleIssue>)
        Parse(string services)
    {
        var parsed = ConfigurationCatalog.Parse(
            Reader.Json($$"""{ "Mesh": { "Services": {{services}} } }"""), new MeshOptions());
        return (parsed.Services, parsed.Issues);
    }

    private sealed class Observer : ICatalogObserver
    {
        private readonly System.Threading.Channels.Channel<string> _said =
            System.Threading.Channels.Channel.CreateUnbounded<string>();

        public void ServiceChanged(ServiceName service, IReadOnlyList<Endpoint> endpoints) =>
            _said.Writer.TryWrite($"{service}={string.Join(',', endpoints.Select(static e => e.Address))}");

        public void Synced() => _said.Writer.TryWrite("synced");

        public async Task<string> NextAsync() => await _said.Reader.ReadAsync().AsTask().WaitAsync(s_patience);

        public IReadOnlyList<string> Take()
        {
            var result = new List<string>();
            while (_said.Reader.TryRead(out var said))
            {
                result.Add(said);
            }

            return result;
        }
    }
}
