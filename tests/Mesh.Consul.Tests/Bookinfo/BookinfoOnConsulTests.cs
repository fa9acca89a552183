using System.Net;
using System.Text.Json.Nodes;
using Mesh.Consul.Tests.Support;
using Mesh.IntegrationTests;
using Mesh.IntegrationTests.Bookinfo;
using static Mesh.IntegrationTests.Bookinfo.Run;

namespace Mesh.Consul.Tests.Bookinfo;

/// <summary>The demo with <c>--consul</c>, mostly on an agent that is there already.</summary>
public sealed class BookinfoOnConsulTests
{
    private const int Requests = 2000;
    private const string ReviewsKey = "mesh/config/bookinfo/reviews.yaml";

    private static readonly (string Name, int Instances)[] s_services =
        [("productpage", 1), ("details", 1), ("reviews", 3), ("ratings", 1)];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Run_WithJson_HasSharesOfTheRulesAndLeavesNothingInConsul()
    {
        await using var agent = await ConsulAgent.StartAsync();
        await using var launcher = Launch(agent, "--requests", $"{Requests}", "--json");
        var result = await ResultAsync(launcher);

        Assert.Equal(Requests, Calls(result, "productpage", "v1"));
        Assert.Equal(Requests, Calls(result, "details", "v1"));
        Assert.Equal(Requests, Calls(result, "reviews", "v1") + Calls(result, "reviews", "v2"));
        AssertShare(0.25, Calls(result, "reviews", "v2"), Requests);
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(agent, "v1/kv/mesh?keys"));
        Assert.Empty(Assert.IsType<JsonArray>(await agent.GetAsync("v1/config/service-defaults")));
        Assert.Empty(Assert.IsType<JsonArray>(await agent.GetAsync("v1/config/service-resolver")));
        var services = (await agent.GetAsync("v1/catalog/services")).AsObject();
        Assert.Equal(["consul"], services.Select(static one => one.Key));
    }

    [Fact]
    public async Task Run_AsJason_GoesToVersion2Only()
    {
        await using var agent = await ConsulAgent.StartAsync();
        await using var launcher = Launch(agent, "--requests", "500", "--json", "--header", "end-user=jason");
        var result = await ResultAsync(launcher);

        Assert.Equal("""{"v2":500}""", result.GetProperty("calls").GetProperty("reviews").GetRawText());
    }

    [Fact]
    public async Task Run_WhereOthersHaveWritten_UsesTheirsAndLeavesIt()
    {
        await using var agent = await ConsulAgent.StartAsync();
        var rules = Rules(v1: 0, v2: 100);
        await agent.PutKeyAsync(ReviewsKey, rules);
        await agent.WriteEntryAsync("""{ "Kind": "service-defaults", "Name": "details", "Protocol": "http" }""");
        await using var launcher = Launch(agent, "--requests", "300", "--json");
        var result = await ResultAsync(launcher);

        Assert.Equal("""{"v2":300}""", result.GetProperty("calls").GetProperty("reviews").GetRawText());
        Assert.Contains($"Consul has a key {ReviewsKey} already", launcher.Error);
        Assert.Contains("Consul has a service-defaults 'details' already", launcher.Error);
        Assert.Equal(rules, await agent.HttpClient.GetStringAsync($"v1/kv/{ReviewsKey}?raw", Cancel));
        var defaults = Assert.IsType<JsonArray>(await agent.GetAsync("v1/config/service-defaults"));
        Assert.Equal("details", Assert.Single(defaults)!["Name"]!.GetValue<string>());
    }

    [Fact]
    public async Task KeyPut_UnderLoad_ChangesTheSharesAndABrokenOneNothing()
    {
        await using var agent = await ConsulAgent.StartAsync();
        await using var launcher = Launch(agent, "--rate", "100");
        using var page = await PageAsync(launcher);
        AssertShare(0.25, await page.CountAsync("v2", 400, Cancel), 400);

        await agent.PutKeyAsync(ReviewsKey, Rules(v1: 0, v2: 100));
        await page.UntilOnlyAsync("v2", inARow: 60, Cancel);
        Assert.Equal(200, await page.CountAsync("v2", 200, Cancel));

        await agent.PutKeyAsync(ReviewsKey, Rules(v1: 100, v2: 0).Replace("http:", "http: [ {"));
        await launcher.WaitForLineAsync($"consul kv {ReviewsKey}", Cancel);
        Assert.Equal(200, await page.CountAsync("v2", 200, Cancel));

        await EndAsync(launcher);
        Assert.Contains($"The key {ReviewsKey} stays in Consul", launcher.Error);
    }

    [Fact]
    public async Task SplitterWritten_UnderLoad_ChangesTheSharesUntilItIsDeleted()
    {
        await using var agent = await ConsulAgent.StartAsync();
        await using var launcher = Launch(agent, "--rate", "100");
        using var page = await PageAsync(launcher);
        AssertShare(0.25, await page.CountAsync("v2", 400, Cancel), 400);

        await agent.WriteEntryAsync("""
            { "Kind": "service-splitter", "Name": "reviews", "Splits": [ { "Weight": 100, "ServiceSubset": "v3" } ] }
            """);
        await page.UntilOnlyAsync("v3", inARow: 60, Cancel);
        Assert.Equal(200, await page.CountAsync("v3", 200, Cancel));

        await agent.DeleteAsync("v1/config/service-splitter/reviews");
        await page.UntilNoneAsync("v3", inARow: 60, Cancel);
        AssertShare(0.25, await page.CountAsync("v2", 400, Cancel), 400);
        await EndAsync(launcher);
    }

    [Fact]
    public async Task Kill_OfOneOfTwoReplicas_LosesNoRequest()
    {
        await using var agent = await ConsulAgent.StartAsync();
        await using var launcher = Launch(
            agent, "--requests", $"{Requests}", "--json", "--replicas", "2", "--kill", "reviews");
        var result = await ResultAsync(launcher);

        Assert.Equal(Requests, Calls(result, "productpage", "v1"));
        Assert.Contains("was killed", launcher.Error);
    }

    [Fact]
    public async Task RollingRestart_OfTwoReplicasOfEverything_LosesNoRequest()
    {
        await using var agent = await ConsulAgent.StartAsync();
        await using var launcher = Launch(
            agent, "--requests", $"{Requests}", "--json", "--replicas", "2", "--rolling-restart");
        var result = await ResultAsync(launcher);

        Assert.Equal(Requests, Calls(result, "productpage", "v1"));
        Assert.Contains("(12 of 12)", launcher.Error);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task AgentKilled_UnderLoad_LosesNoRequestAndAllComesBack(bool keepData)
    {
        await using var agent = await ConsulAgent.StartAsync(new() { Persistent = true });
        await using var launcher = Launch(agent, "--rate", "100");
        using var page = await PageAsync(launcher);
        AssertShare(0.25, await page.CountAsync("v2", 400, Cancel), 400);

        await agent.KillAsync();
        AssertShare(0.25, await page.CountAsync("v2", 1000, Cancel), 1000);
        await agent.RestartAsync(keepData, Cancel);
        AssertShare(0.25, await page.CountAsync("v2", 400, Cancel), 400);
        foreach (var (name, instances) in s_services)
        {
            await Wait.UntilAsync(
                async () => (await agent.GetAsync($"v1/health/service/{name}?passing")).AsArray().Count == instances,
                () => $"{instances} instances of {name} are registered\n{launcher.Error}");
        }

        AssertShare(0.25, await page.CountAsync("v2", 400, Cancel), 400);
        await agent.PutKeyAsync(ReviewsKey, Rules(v1: 0, v2: 100));
        await page.UntilOnlyAsync("v2", inARow: 60, Cancel);
        await EndAsync(launcher);
    }

    [Fact]
    public async Task Run_WithoutAnAgent_StartsOneAndEndsIt()
    {
        ConsulAgent.RequireOrSkip();
        var ports = ConsulPorts.Choose();
        await using var launcher = Launch(new Uri($"http://127.0.0.1:{ports.Http}/"), "--rate", "100");
        using var page = await PageAsync(launcher);
        await launcher.WaitForLineAsync($"Consul: http://127.0.0.1:{ports.Http}/", Cancel);
        Assert.Contains(launcher.Descendants(), static process => process.ProcessName == "consul");
        AssertShare(0.25, await page.CountAsync("v2", 400, Cancel), 400);

        await EndAsync(launcher);
    }

    [Fact]
    public async Task Launcher_KilledHard_LeavesNoAgent()
    {
        ConsulAgent.RequireOrSkip();
        var ports = ConsulPorts.Choose();
        await using var launcher = Launch(new Uri($"http://127.0.0.1:{ports.Http}/"));
        await launcher.WaitForLineAsync("Product page: http://", Cancel);
        var started = launcher.Descendants();

        launcher.Kill();

        foreach (var process in started)
        {
            await process.WaitForExitAsync(Cancel).WaitAsync(TimeSpan.FromMinutes(1), Cancel);
            process.Dispose();
        }
    }

    private static ChildProcess Launch(ConsulAgent agent, params string[] arguments) =>
        Launch(agent.Address, arguments);

    private static ChildProcess Launch(Uri agent, params string[] arguments)
    {
        var environment = new Dictionary<string, string>
        {
            ["CONSUL_HTTP_ADDR"] = agent.Authority,
            ["MESH_CONSUL"] = ConsulBinary.Found!.Path,
        };
        return Run.Launch(environment, ["--consul", .. arguments]);
    }

    private static async Task<ShownPage> PageAsync(ChildProcess launcher)
    {
        await launcher.WaitForLineAsync("Product page: http://", Cancel);
        return new ShownPage(launcher.Output);
    }

    /// <summary>The demo's own rules for reviews with other weights.</summary>
    private static string Rules(int v1, int v2) =>
        File.ReadAllText(Repository.At("samples", "Bookinfo", "mesh", "reviews.yaml"))
            .Replace("weight: 25", $"weight: {v2}").Replace("weight: 75", $"weight: {v1}");

    private static async Task<HttpStatusCode> StatusAsync(ConsulAgent agent, string path)
    {
        using var answer = await agent.HttpClient.GetAsync(path, Cancel);
        return answer.StatusCode;
    }
}
