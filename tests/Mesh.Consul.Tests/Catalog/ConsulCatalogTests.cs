using System.Text.Json.Nodes;
using Mesh.Consul.Tests.Support;
using Mesh.Discovery;

namespace Mesh.Consul.Tests.Catalog;

public sealed class ConsulCatalogTests : IAsyncLifetime
{
    private ConsulAgent _agent = null!;

    public async ValueTask InitializeAsync() => _agent = await ConsulAgent.StartAsync();

    public async ValueTask DisposeAsync()
    {
        if (_agent is not null)
        {
            await _agent.DisposeAsync();
        }
    }

    [Fact]
    public async Task Call_ServiceRegisteredByOthersWithAChecks_IsFoundByNameWithoutConfiguration()
    {
        await using var web = await Instance.StartAsync("web-1");
        await _agent.RegisterAsync("web", web, check: "passing");
        await using var caller = await CallingProcess.StartAsync(_agent.Address);

        Assert.Equal("web-1", await caller.GetAsync("http://web/"));
        Assert.Equal("web-1", await caller.GetAsync("http://web.default.svc.cluster.local/"));
    }

    [Fact]
    public async Task Call_ServiceThatRegistersLater_IsFoundAsSoonAsItIsThere()
    {
        await using var web = await Instance.StartAsync("web-1");
        await using var caller = await CallingProcess.StartAsync(_agent.Address);
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => caller.GetAsync("http://web/"));

        await _agent.RegisterAsync("web", web);

        await caller.GetUntilAsync("http://web/", static answer => answer == "web-1");
    }

    [Fact]
    public async Task Endpoints_MetaWeightsAndNode_AreTakenOver()
    {
        await using var web = await Instance.StartAsync("web-1");
        await _agent.RegisterAsync(
            "web", web, "v2", new JsonObject { ["Weights"] = new JsonObject { ["Passing"] = 7, ["Warning"] = 2 } }, check: "passing");
        await using var caller = await CallingProcess.StartAsync(_agent.Address);
        await caller.GetAsync("http://web/");

        var endpoint = Assert.Single(caller.Runtime.Current.Find("web")!.Endpoints).Endpoint;
        Assert.Equal("v2", endpoint.Labels["version"]);
        Assert.Equal(7, endpoint.Weight);
        Assert.Equal("dc1", endpoint.Locality.Region);

        await _agent.SetCheckAsync(web, "warning");
        await Wait.UntilAsync(() => caller.Runtime.Current.Find("web")!.Endpoints[0].Endpoint.Weight == 2);
    }

    [Fact]
    public async Task Call_InstanceWithAFailingCheck_GetsNoTraffic()
    {
        await using var good = await Instance.StartAsync("good");
        await using var ill = await Instance.StartAsync("ill");
        await _agent.RegisterAsync("web", good, check: "passing");
        await _agent.RegisterAsync("web", ill, check: "critical");
        await using var caller = await CallingProcess.StartAsync(_agent.Address);
        for (var i = 0; i < 30; i++)
        {
            Assert.Equal("good", await caller.GetAsync("http://web/"));
        }

        await _agent.SetCheckAsync(ill, "passing");
        await caller.GetUntilAsync("http://web/", static answer => answer == "ill");

        await _agent.SetCheckAsync(good, "critical");
        await Wait.UntilAsync(() => caller.Runtime.Current.Find("web")!.Endpoints
            .Count(static state => state.Endpoint.Health == EndpointHealth.Healthy) == 1);
        Assert.Equal("ill", await caller.GetAsync("http://web/"));
    }

    [Fact]
    public async Task Call_TaggedAddress_IsDialledWhereThereIsOne()
    {
        await using var web = await Instance.StartAsync("web-1");
        await _agent.RegisterAsync("web", web, more: new JsonObject
        {
            ["Address"] = "192.0.2.1",
            ["TaggedAddresses"] = new JsonObject { ["near"] = new JsonObject { ["Address"] = "127.0.0.1", ["Port"] = web.Port } },
        });
        await using var caller = await CallingProcess.StartAsync(_agent.Address, """ "TaggedAddress": "near" """);

        Assert.Equal("web-1", await caller.GetAsync("http://web/"));
    }

    [Fact]
    public async Task Follow_NamedInTheOptions_IsSeenWithoutACallAndBesideManyUnknownNames()
    {
        await using var caller = await CallingProcess.StartAsync(_agent.Address, """ "Follow": [ "web" ] """);
        for (var i = 0; i < 100; i++)
        {
            await caller.Runtime.FollowAsync(new ServiceName($"none-{i}", "default"), TestContext.Current.CancellationToken);
        }

        await using var web = await Instance.StartAsync("web-1");
        await _agent.RegisterAsync("web", web);

        await Wait.UntilAsync(() => caller.Runtime.Current.Find("web")?.Endpoints.Length == 1, caller.LogText);
    }

    [Fact]
    public async Task Follow_ManyNamesThatNobodyKnows_HoldsFewQueries()
    {
        await using var caller = await CallingProcess.StartAsync(_agent.Address);
        for (var i = 0; i < 100; i++)
        {
            Assert.True(await caller.Runtime.FollowAsync(new ServiceName($"none-{i}", "default"), TestContext.Current.CancellationToken));
        }

        // The last ones are still followed, the first ones when they are asked for again.
        await using var web = await Instance.StartAsync("web-1");
        await _agent.RegisterAsync("none-0", web);
        Assert.Equal("web-1", await caller.GetAsync("http://none-0/"));
    }
}
