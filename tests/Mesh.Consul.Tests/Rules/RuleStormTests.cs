using Mesh.Consul.Tests.Support;

namespace Mesh.Consul.Tests.Rules;

/// <summary>Many rules, large ones, and such as change all the time.</summary>
public sealed class RuleStormTests : IAsyncLifetime
{
    private ConsulAgent _agent = null!;
    private Instance _v1 = null!;
    private Instance _v2 = null!;

    public async ValueTask InitializeAsync()
    {
        _agent = await ConsulAgent.StartAsync();
        _v1 = await Instance.StartAsync("v1");
        _v2 = await Instance.StartAsync("v2");
        await _agent.RegisterAsync("web", _v1, "v1");
        await _agent.RegisterAsync("web", _v2, "v2");
    }

    public async ValueTask DisposeAsync()
    {
        if (_agent is not null)
        {
            await _v1.DisposeAsync();
            await _v2.DisposeAsync();
            await _agent.DisposeAsync();
        }
    }

    [Fact]
    public async Task Keys_ManyLargeAndInConflict_WhatIsGoodIsUsed()
    {
        await _agent.PutKeyAsync("mesh/config/a-web", To("web", "v1"));
        await using var caller = await CallingProcess.StartAsync(_agent.Address);
        await using var load = new Load(caller, "http://web/");
        await load.GoOnAsync();

        await _agent.PutKeyAsync("mesh/config/z-web", To("web", "v2"));
        await Wait.UntilAsync(() => caller.LogText().Contains("consul kv mesh/config/z-web"), caller.LogText);
        for (var i = 0; i < 200; i++)
        {
            await _agent.PutKeyAsync($"mesh/config/many/{i}", To($"other-{i}", "v1"));
        }

        // Consul's own limit of a value is 512 KB.
        await _agent.PutKeyAsync("mesh/config/large", $"{To("large", "v1")}{new string(' ', (512 * 1024) - 1000)}");
        await Wait.UntilAsync(() => caller.Runtime.Current.Find("large") is not null && caller.Runtime.Current.Find("other-199") is not null, caller.LogText);
        load.TakeAnswers();
        await load.GoOnAsync();
        Assert.Equal(["v1"], load.TakeAnswers().Keys);

        // The one in effect goes, and the other takes its place.
        await _agent.DeleteAsync("/v1/kv/mesh/config/a-web");
        await caller.GetUntilAsync("http://web/", static answer => answer == "v2");
        await _agent.DeleteAsync("/v1/kv/mesh/config/?recurse");
        await Wait.UntilAsync(() => caller.Runtime.Current.Find("large") is null, caller.LogText);
        load.TakeAnswers();
        await load.GoOnAsync();
        Assert.Equal(["v1", "v2"], load.TakeAnswers().Keys.Order());
        Assert.Empty(load.Failures);
    }

    [Fact]
    public async Task KeyAndSplitter_RewrittenAllTheTime_NoCallFailsAndTheLastOneHolds()
    {
        await using var caller = await CallingProcess.StartAsync(_agent.Address);
        await using var load = new Load(caller, "http://web/");
        await load.GoOnAsync();
        for (var i = 0; i < 60; i++)
        {
            await _agent.PutKeyAsync("mesh/config/web", To("web", i % 2 == 0 ? "v2" : "v1"));
            await load.GoOnAsync(10);
        }

        await caller.GetUntilAsync("http://web/", static answer => answer == "v1");
        await _agent.WriteEntryAsync("""{ "Kind": "service-defaults", "Name": "web", "Protocol": "http" }""");
        await _agent.WriteEntryAsync("""
            { "Kind": "service-resolver", "Name": "web", "Subsets": {
              "v1": { "Filter": "Service.Meta.version == v1" }, "v2": { "Filter": "Service.Meta.version == v2" } } }
            """);
        for (var i = 0; i < 20; i++)
        {
            await _agent.WriteEntryAsync("""{ "Kind": "service-splitter", "Name": "web", "Splits": [ { "Weight": 100, "ServiceSubset": "v2" } ] }""");
            await load.GoOnAsync(20);
            await _agent.DeleteAsync("/v1/config/service-splitter/web");
            await load.GoOnAsync(20);
        }

        await _agent.WriteEntryAsync("""{ "Kind": "service-splitter", "Name": "web", "Splits": [ { "Weight": 100, "ServiceSubset": "v2" } ] }""");
        await caller.GetUntilAsync("http://web/", static answer => answer == "v2");
        load.TakeAnswers();
        await load.GoOnAsync();
        load.TakeAnswers();
        await load.GoOnAsync();
        Assert.Equal(["v2"], load.TakeAnswers().Keys);
        Assert.Empty(load.Failures);
    }

    private static string To(string service, string version) => $$"""
        { "Routes": { "{{service}}": [ { "Route": [ { "Subset": "{{version}}" } ] } ] },
          "Destinations": { "{{service}}": { "Subsets": { "{{version}}": { "Labels": { "version": "{{version}}" } } } } } }
        """;
}
