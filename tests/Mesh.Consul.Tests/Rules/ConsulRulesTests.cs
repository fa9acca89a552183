using Mesh.Client;
using Mesh.Consul.Tests.Support;
using Mesh.Discovery;

namespace Mesh.Consul.Tests.Rules;

/// <summary>What operators write with <c>consul kv put</c> and <c>consul config write</c> steers calls, and no call fails meanwhile.</summary>
public sealed class ConsulRulesTests : IAsyncLifetime
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
    public async Task KeyPut_WhileCallsGoOn_ChangesTheSharesAndNoCallFails()
    {
        await _agent.PutKeyAsync("mesh/config/web", Split(100, 0));
        await using var caller = await CallingProcess.StartAsync(_agent.Address);
        await using var load = new Load(caller, "http://web/");
        await load.GoOnAsync();
        Assert.Equal(["v1"], load.TakeAnswers().Keys);

        await _agent.PutKeyAsync("mesh/config/web", Split(0, 100));
        await OnlyAsync(load, "v2");

        // The same in JSON, and as in appsettings.
        await _agent.PutKeyAsync("mesh/config/web", """
            { "Routes": { "web": [ { "Route": [ { "Subset": "v1" } ] } ] },
              "Destinations": { "web": { "Subsets": { "v1": { "Labels": { "version": "v1" } } } } } }
            """);
        await OnlyAsync(load, "v1");

        await _agent.DeleteAsync("/v1/kv/mesh/config/web");
        await BothAsync(load);
        Assert.Empty(load.Failures);
    }

    [Fact]
    public async Task KeyPut_BrokenDocument_IsToldWithItsKeyAndTheLastGoodOneStays()
    {
        await _agent.PutKeyAsync("mesh/config/web", Split(100, 0));
        await using var caller = await CallingProcess.StartAsync(_agent.Address);
        await using var load = new Load(caller, "http://web/");
        await load.GoOnAsync();

        await _agent.PutKeyAsync("mesh/config/web", Split(0, 100).Replace("weight: 100", "weight: lots"));
        await Wait.UntilAsync(() => caller.LogText().Contains("consul kv mesh/config/web"), caller.LogText);
        load.TakeAnswers();
        await load.GoOnAsync();

        Assert.Equal(["v1"], load.TakeAnswers().Keys);
        Assert.Contains("'lots'", caller.LogText());
        Assert.Empty(load.Failures);
    }

    [Fact]
    public async Task BrokenDocumentAtStart_DoesNotKeepAProcessFromStarting()
    {
        await _agent.PutKeyAsync("mesh/config/broken", "kind: Nonsense");
        await _agent.PutKeyAsync("mesh/config/web", Split(0, 100));
        await using var caller = await CallingProcess.StartAsync(_agent.Address);

        Assert.Equal("v2", await caller.GetAsync("http://web/"));
        Assert.Contains(caller.Runtime.Issues, static issue => issue.ToString().Contains("consul kv mesh/config/broken"));
    }

    [Fact]
    public async Task ConfigWrite_Splitter_WinsOverKeysAndGoesAgain()
    {
        await _agent.PutKeyAsync("mesh/config/web", Split(100, 0));
        await using var caller = await CallingProcess.StartAsync(_agent.Address);
        await using var load = new Load(caller, "http://web/");
        await load.GoOnAsync();

        // The protocol and the subsets alone are no reason to leave the rules of the keys.
        await WriteResolverAsync();
        await load.GoOnAsync();
        Assert.Equal(["v1"], load.TakeAnswers().Keys);

        await _agent.WriteEntryAsync("""
            { "Kind": "service-splitter", "Name": "web", "Splits": [
              { "Weight": 0, "ServiceSubset": "v1" }, { "Weight": 100, "ServiceSubset": "v2" } ] }
            """);
        await OnlyAsync(load, "v2");

        await _agent.DeleteAsync("/v1/config/service-splitter/web");
        await OnlyAsync(load, "v1");
        Assert.Empty(load.Failures);
    }

    [Fact]
    public async Task FirstCall_WithASplitter_FollowsIt()
    {
        await WriteResolverAsync();
        await _agent.WriteEntryAsync("""
            { "Kind": "service-splitter", "Name": "web", "Splits": [ { "Weight": 100, "ServiceSubset": "v2" } ] }
            """);
        await using var caller = await CallingProcess.StartAsync(_agent.Address);
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal("v2", await caller.GetAsync("http://web/"));
        }
    }

    [Fact]
    public async Task ConfigWrite_Router_SendsByHeaderAndPath()
    {
        await WriteResolverAsync();
        await _agent.WriteEntryAsync("""
            { "Kind": "service-router", "Name": "web", "Routes": [
              { "Match": { "HTTP": { "Header": [ { "Name": "end-user", "Exact": "jason" } ] } }, "Destination": { "ServiceSubset": "v2" } },
              { "Match": { "HTTP": { "PathPrefix": "/new" } }, "Destination": { "ServiceSubset": "v2", "PrefixRewrite": "/" } },
              { "Match": { "HTTP": { "PathPrefix": "/" } }, "Destination": { "ServiceSubset": "v1" } } ] }
            """);
        await using var caller = await CallingProcess.StartAsync(_agent.Address);
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal("v1", await caller.GetAsync("http://web/"));
            Assert.Equal("v2", await caller.GetAsync("http://web/new/page"));
            using var request = new HttpRequestMessage(HttpMethod.Get, "http://web/");
            request.Headers.Add("end-user", "jason");
            using var answer = await caller.Http.SendAsync(request, TestContext.Current.CancellationToken);
            Assert.Equal("v2", await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        }
    }

    [Fact]
    public async Task ConfigWrite_Resolver_DefaultSubsetFailoverAndRedirect()
    {
        await using var spare = await Instance.StartAsync("spare");
        await _agent.RegisterAsync("spare", spare);
        await _agent.WriteEntryAsync("""
            { "Kind": "service-resolver", "Name": "web", "DefaultSubset": "v2",
              "Subsets": { "v1": { "Filter": "Service.Meta.version == v1" }, "v2": { "Filter": "Service.Meta.version == v2" } },
              "Failover": { "*": { "Service": "spare" } } }
            """);
        await _agent.WriteEntryAsync("""{ "Kind": "service-resolver", "Name": "old", "Redirect": { "Service": "web", "ServiceSubset": "v1" } }""");
        await using var caller = await CallingProcess.StartAsync(_agent.Address);

        Assert.Equal("v2", await caller.GetAsync("http://web/"));
        Assert.Equal("v1", await caller.GetAsync("http://old/"));

        await _agent.DeregisterAsync(_v2);
        await caller.GetUntilAsync("http://web/", static answer => answer == "spare");

        await _agent.RegisterAsync("web", _v2, "v2");
        await caller.GetUntilAsync("http://web/", static answer => answer == "v2");
    }

    [Fact]
    public async Task ServiceWithoutInstances_ThatRulesName_StaysFollowedBesideManyUnknownNames()
    {
        await _agent.WriteEntryAsync("""{ "Kind": "service-resolver", "Name": "old", "Redirect": { "Service": "web" } }""");
        await using var spare = await Instance.StartAsync("spare");
        await _agent.RegisterAsync("spare", spare);
        await using var caller = await CallingProcess.StartAsync(_agent.Address);
        Assert.Contains(await caller.GetAsync("http://old/"), (string[])["v1", "v2"]);
        for (var i = 0; i < 100; i++)
        {
            await caller.Runtime.FollowAsync(new ServiceName($"none-{i}", "default"), TestContext.Current.CancellationToken);
        }

        await _agent.WriteEntryAsync("""{ "Kind": "service-resolver", "Name": "old", "Redirect": { "Service": "spare" } }""");

        await caller.GetUntilAsync("http://old/", static answer => answer == "spare");
    }

    [Fact]
    public async Task Intention_DeniesAllButAllowsOne_TheOneIsCalledInEveryNamespace()
    {
        await using var caller = await CallingProcess.StartAsync(_agent.Address);
        await caller.GetAsync("http://web/");
        await _agent.WriteIntentionAsync("*", "*");
        await caller.GetUntilAsync("http://web/", static answer => answer.Contains("intention"));
        await _agent.WriteIntentionAsync("caller", "web", "allow");

        await caller.GetUntilAsync("http://web/", static answer => answer is "v1" or "v2");
        var unknown = await Assert.ThrowsAnyAsync<HttpRequestException>(() => caller.GetAsync("http://web.prod/"));
        Assert.IsNotType<IntentionDeniedException>(unknown);
    }

    [Fact]
    public async Task Intention_Denies_TheCallIsRefusedByNameUntilItGoes()
    {
        await using var caller = await CallingProcess.StartAsync(_agent.Address);
        await caller.GetAsync("http://web/");
        var id = await _agent.WriteIntentionAsync("caller", "web");

        await caller.GetUntilAsync("http://web/", static answer => answer.Contains("intention"));
        var before = _v1.Answered + _v2.Answered;
        var refused = await Assert.ThrowsAsync<IntentionDeniedException>(() => caller.GetAsync("http://web/"));
        Assert.Contains("caller", refused.Message);
        Assert.Contains("web", refused.Message);
        Assert.Equal(before, _v1.Answered + _v2.Answered);

        await _agent.DeleteAsync($"/v1/connect/intentions/{id}");
        await caller.GetUntilAsync("http://web/", static answer => answer is "v1" or "v2");
    }

    [Fact]
    public async Task AgentLosesItsData_RulesStayUntilSomebodyWritesAgain()
    {
        await _agent.PutKeyAsync("mesh/config/web", Split(100, 0));
        for (var i = 0; i < 50; i++)
        {
            await _agent.PutKeyAsync($"other/{i}", "x");
        }

        await _agent.PutKeyAsync("mesh/config/web", Split(0, 100));
        await using var caller = await CallingProcess.StartAsync(_agent.Address);
        await using var load = new Load(caller, "http://web/");
        await load.GoOnAsync();

        await _agent.RestartAsync(keepData: false, TestContext.Current.CancellationToken);
        await _agent.RegisterAsync("web", _v1, "v1");
        await _agent.RegisterAsync("web", _v2, "v2");
        await Wait.UntilAsync(() => caller.LogText().Contains("lost all keys below mesh/config/"), caller.LogText);
        load.TakeAnswers();
        await load.GoOnAsync();
        Assert.Equal(["v2"], load.TakeAnswers().Keys);

        await _agent.PutKeyAsync("mesh/config/web", Split(100, 0));
        await OnlyAsync(load, "v1");
        Assert.Empty(load.Failures);
    }

    private async Task WriteResolverAsync()
    {
        await _agent.WriteEntryAsync("""{ "Kind": "service-defaults", "Name": "web", "Protocol": "http" }""");
        await _agent.WriteEntryAsync("""
            { "Kind": "service-resolver", "Name": "web", "Subsets": {
              "v1": { "Filter": "Service.Meta.version == v1" }, "v2": { "Filter": "Service.Meta.version == v2" } } }
            """);
    }

    private static Task OnlyAsync(Load load, string answer) => UntilAsync(load, answers => answers.Keys.SequenceEqual([answer]));

    private static Task BothAsync(Load load) => UntilAsync(load, static answers => answers.Count == 2);

    private static async Task UntilAsync(Load load, Func<IReadOnlyDictionary<string, int>, bool> wanted)
    {
        IReadOnlyDictionary<string, int> answers = new Dictionary<string, int>();
        await Wait.UntilAsync(
            async () =>
            {
                load.TakeAnswers();
                await load.GoOnAsync(100);
                answers = load.TakeAnswers();
                return wanted(answers);
            },
            () => string.Join(", ", answers));
    }

    private static string Split(int one, int two) => $$"""
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata:
          name: web
        spec:
          hosts: [ web ]
          http:
          - route:
            - destination: { host: web, subset: v1 }
              weight: {{one}}
            - destination: { host: web, subset: v2 }
              weight: {{two}}
        ---
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata:
          name: web
        spec:
          host: web
          subsets:
          - { name: v1, labels: { version: v1 } }
          - { name: v2, labels: { version: v2 } }
        """;
}
