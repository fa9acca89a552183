using System.Diagnostics;
using System.Net;
using Mesh.Consul.Tests.Support;
using Mesh.Discovery.Rules;

namespace Mesh.Consul.Tests.Security;

/// <summary>What operators write with <c>consul intention</c> holds where the process is called.</summary>
public sealed class InboundIntentionsTests
{
    private const string Management = "00000000-0000-4000-8000-00000000000a";

    [Fact]
    public async Task Intention_WrittenAndDeleted_HoldsOnAKeptConnectionAtOnce()
    {
        await using var agent = await ConsulAgent.StartAsync();
        await using var called = await CalledProcess.StartAsync(agent.Address);
        using var web = await called.ConnectAsync("web");
        using var other = await called.ConnectAsync("other");
        using var nobody = await called.ConnectAsync(null);
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(web));

        var id = await agent.WriteIntentionAsync("web", "api");
        var denied = await TimeUntilAsync(web, HttpStatusCode.Forbidden);

        Assert.Equal(HttpStatusCode.OK, await StatusAsync(other));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(nobody));
        Assert.Contains("by intention web → api (rule -1): the intention web → api denies it", called.LogText(), StringComparison.Ordinal);

        await agent.DeleteAsync($"/v1/connect/intentions/{id}");
        var allowed = await TimeUntilAsync(web, HttpStatusCode.OK);

        // Milliseconds as a rule; only the agent's and the machine's pace are between.
        Assert.InRange(denied, TimeSpan.Zero, TimeSpan.FromSeconds(5));
        Assert.InRange(allowed, TimeSpan.Zero, TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task Intention_ForAllCallers_IsOverruledByAPreciserOne()
    {
        await using var agent = await ConsulAgent.StartAsync();
        await agent.WriteIntentionAsync("*", "api");
        await agent.WriteIntentionAsync("web", "api", "allow");
        await using var called = await CalledProcess.StartAsync(agent.Address);
        using var web = await called.ConnectAsync("web");
        using var nobody = await called.ConnectAsync(null);

        Assert.Equal(HttpStatusCode.OK, await StatusAsync(web));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(nobody));
    }

    [Fact]
    public async Task Default_WithoutAcls_IsLearntToBeAllow()
    {
        await using var agent = await ConsulAgent.StartAsync();
        await using var called = await CalledProcess.StartAsync(agent.Address);

        await Wait.UntilAsync(() => DefaultOf(called) is { Allow: true }, called.LogText);
    }

    [Fact]
    public async Task Default_ToDeny_HoldsFromTheFirstRequestOn()
    {
        await using var agent = await ConsulAgent.StartAsync(new ConsulAgentSettings { ManagementToken = Management });
        await agent.WriteIntentionAsync("web", "api", "allow");
        await using var called = await CalledProcess.StartAsync(agent.Address, $", \"Token\": \"{Management}\"");
        using var web = await called.ConnectAsync("web");
        using var other = await called.ConnectAsync("other");

        Assert.Equal(HttpStatusCode.OK, await StatusAsync(web));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(other));
        Assert.Contains("no intention is about this caller of api, and Consul's default is to deny", called.LogText(), StringComparison.Ordinal);

        await agent.WriteIntentionAsync("*", "api", "allow");
        await TimeUntilAsync(other, HttpStatusCode.OK);
    }

    [Fact]
    public async Task Default_ToDeny_HoldsAtAStartWithoutConsul()
    {
        var saved = Directory.CreateTempSubdirectory("mesh-saved-");
        try
        {
            await using var agent = await ConsulAgent.StartAsync(new ConsulAgentSettings { ManagementToken = Management });
            await agent.WriteIntentionAsync("web", "api", "allow");
            await using (await CalledProcess.StartAsync(agent.Address, $", \"Token\": \"{Management}\"", saved.FullName))
            {
                await agent.KillAsync();
            }

            await using var called = await CalledProcess.StartAsync(agent.Address, $", \"Token\": \"{Management}\"", saved.FullName);
            using var web = await called.ConnectAsync("web");
            using var other = await called.ConnectAsync("other");

            Assert.Equal(HttpStatusCode.OK, await StatusAsync(web));
            Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(other));
        }
        finally
        {
            saved.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Default_TokenWithoutTheRight_IsToldAndAllows()
    {
        await using var agent = await ConsulAgent.StartAsync(new ConsulAgentSettings { ManagementToken = Management });
        var token = await Acl.CreateTokenAsync(agent, """service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }""");
        await using var called = await CalledProcess.StartAsync(agent.Address, $", \"Token\": \"{token}\"");
        using var web = await called.ConnectAsync("web");

        Assert.Equal(HttpStatusCode.OK, await StatusAsync(web));
        Assert.Contains("Consul's default for callers of api that no intention is about cannot be learnt; they are allowed.", called.LogText(), StringComparison.Ordinal);
        Assert.Contains("service \"api\" { policy = \"write\" }", called.LogText(), StringComparison.Ordinal);
    }

    private static IntentionDefaultConfig? DefaultOf(CalledProcess called) =>
        called.Runtime.Current.Rules.Select(static rule => rule.Rule).OfType<IntentionDefaultConfig>().FirstOrDefault();

    private static async Task<HttpStatusCode> StatusAsync(HttpClient client)
    {
        using var response = await client.GetAsync("/", TestContext.Current.CancellationToken);
        return response.StatusCode;
    }

    private static async Task<TimeSpan> TimeUntilAsync(HttpClient client, HttpStatusCode status)
    {
        var started = Stopwatch.GetTimestamp();
        await Wait.UntilAsync(async () => await StatusAsync(client) == status);
        return Stopwatch.GetElapsedTime(started);
    }
}
