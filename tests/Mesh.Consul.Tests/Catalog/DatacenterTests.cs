using System.Text.Json.Nodes;
using Mesh.Consul.Tests.Support;

namespace Mesh.Consul.Tests.Catalog;

/// <summary>Two datacenters that know each other.</summary>
public sealed class DatacenterTests
{
    [Fact]
    public async Task Call_OtherDatacenter_ByNameRedirectAndFailover()
    {
        await using var one = await ConsulAgent.StartAsync();
        await using var two = await ConsulAgent.StartAsync(new() { Datacenter = "dc2", NodeName = "other" });
        var self = await two.GetAsync("/v1/agent/self");
        await one.PutAsync($"/v1/agent/join/127.0.0.1:{self["DebugConfig"]!["SerfPortWAN"]}?wan=1", "");
        await Wait.UntilAsync(async () => ((JsonArray)await one.GetAsync("/v1/catalog/datacenters")).Count == 2);
        await using var near = await Instance.StartAsync("near");
        await using var far = await Instance.StartAsync("far");
        await one.RegisterAsync("web", near);
        await two.RegisterAsync("web", far);
        await two.RegisterAsync("only", far, more: new JsonObject { ["ID"] = "only" });
        await one.WriteEntryAsync("""{ "Kind": "service-resolver", "Name": "web", "Failover": { "*": { "Datacenters": [ "dc2" ] } } }""");
        await one.WriteEntryAsync("""{ "Kind": "service-resolver", "Name": "only", "Redirect": { "Service": "only", "Datacenter": "dc2" } }""");
        await using var caller = await CallingProcess.StartAsync(one.Address);

        await caller.GetUntilAsync("http://web.service.dc2.consul/", static answer => answer == "far");
        Assert.Equal("near", await caller.GetAsync("http://web/"));
        await caller.GetUntilAsync("http://only/", static answer => answer == "far");

        await one.DeregisterAsync(near);
        await caller.GetUntilAsync("http://web/", static answer => answer == "far");
        await one.RegisterAsync("web", near);
        await caller.GetUntilAsync("http://web/", static answer => answer == "near");
    }
}
