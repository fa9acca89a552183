using System.Threading.Channels;
using Mesh.Discovery.Catalogs;
using Mesh.Discovery.Consul;

namespace Mesh.Discovery.Tests.Consul;

/// <summary>The catalog of a process that is a member of Consul's own mesh: instances and those who speak mTLS for them.</summary>
public sealed class ConnectCatalogTests : WatchFixture
{
    private const string Connect = "GET /v1/health/connect/web";
    private const string Health = "GET /v1/health/service/web";
    private const string Sidecar =
        """
        [ { "Node": { "Node": "n", "Address": "10.9.9.9" },
            "Service": { "ID": "p", "Service": "web-sidecar-proxy", "Kind": "connect-proxy", "Port": 20000, "Proxy": { "DestinationServiceID": "web-0" } } } ]
        """;

    private readonly Observed _observed = new();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Follow_NothingIsToldBeforeBothAreKnown(bool instancesFirst)
    {
        Consul.Options.UsesConnect = true;
        var told = Start().FollowAsync(new ServiceName("web", "default"));
        var calls = new Dictionary<string, FakeConsul.Call>();
        for (var i = 0; i < 2; i++)
        {
            var call = await Agent.NextAsync();
            calls[call.Line.StartsWith(Connect, StringComparison.Ordinal) ? Connect : Health] = call;
        }

        Answer(calls, instancesFirst ? Health : Connect);
        await Agent_IsQuietAsync();
        Assert.False(told.IsCompleted);
        Answer(calls, instancesFirst ? Connect : Health);

        await told.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        var endpoint = Assert.Single(await _observed.NextAsync());
        Assert.Equal("http://10.9.9.9:20000/", endpoint.Address.ToString());
        Assert.True(endpoint.SpeaksMtls);
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, false)]
    public async Task Follow_NotAMemberOrNoAutoMtls_AsksForInstancesOnly(bool usesConnect, bool autoMtls)
    {
        Consul.Options.UsesConnect = usesConnect;
        Options.Security.AutoMtls = autoMtls;
        var told = Start().FollowAsync(new ServiceName("web", "default"));

        (await Agent.NextAsync(Health)).Ok(Entries("10.0.0.1"), 7);

        await told.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        Assert.False(Assert.Single(await _observed.NextAsync()).SpeaksMtls);
    }

    private static void Answer(Dictionary<string, FakeConsul.Call> calls, string which) =>
        calls[which].Ok(which == Connect ? Sidecar : Entries("10.0.0.1"), 7);

    /// <summary>Until the watch that was answered waits to ask again.</summary>
    private Task Agent_IsQuietAsync() => Time.PassAsync(50);

    private ConsulCatalog Start()
    {
        var catalog = new ConsulCatalog(Consul, Options);
        Run(stop => catalog.WatchAsync(_observed, stop));
        return catalog;
    }

    private sealed class Observed : ICatalogObserver
    {
        private readonly Channel<IReadOnlyList<Endpoint>> _told = Channel.CreateUnbounded<IReadOnlyList<Endpoint>>();

        public async Task<IReadOnlyList<Endpoint>> NextAsync() => await _told.Reader.ReadAsync(TestContext.Current.CancellationToken);

        public void ServiceChanged(ServiceName service, IReadOnlyList<Endpoint> endpoints) => _told.Writer.TryWrite(endpoints);

        public void Synced()
        {
        }
    }
}
