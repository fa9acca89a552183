using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Mesh.Consul.Tests.Support;
using Mesh.Discovery.Security;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Consul.Tests.Connect;

/// <summary>A mesh with Consul's certificates beside processes that know only Consul Connect.</summary>
public sealed class ConnectTests
{
    private const string Security = "\"Security\": { \"Mode\": \"STRICT\", \"Certificates\": { \"Source\": \"Consul\" } }";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Client_OfAPlainServiceBehindConnectProxy_GetsThroughAndIntentionsHold()
    {
        await using var agent = await ConsulAgent.StartAsync(cancel: Cancel);
        await using var app = await Instance.StartAsync("app-1");
        await agent.RegisterAsync("app", app, more: new JsonObject
        {
            ["Connect"] = new JsonObject { ["SidecarService"] = new JsonObject { ["Port"] = FreePort() } },
        });
        await using var proxy = ConnectProxy.StartSidecar(agent, "app-1");
        await using var web = await CallingProcess.StartAsync(agent.Address, mesh: Security, service: "web");

        await web.GetUntilAsync("http://app/", static text => text == "app-1");
        Assert.EndsWith("/svc/web", web.Services.GetRequiredService<MeshCertificates>().Current!.Set.Id.ToString(), StringComparison.Ordinal);
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal("app-1", await web.GetAsync("http://app/"));
        }

        var intention = await agent.WriteIntentionAsync("web", "app");
        var denied = await MeasureAsync(() => web.GetUntilAsync("http://app/", static text => text != "app-1"));
        var before = app.Answered;
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => web.GetAsync("http://app/"));
        Assert.Equal(before, app.Answered);

        await agent.DeleteAsync($"/v1/connect/intentions/{intention}");
        var allowed = await MeasureAsync(() => web.GetUntilAsync("http://app/", static text => text == "app-1"));
        TestContext.Current.TestOutputHelper?.WriteLine($"denied after {denied.TotalMilliseconds:0} ms, allowed after {allowed.TotalMilliseconds:0} ms");
        Assert.True(denied < s_soon && allowed < s_soon, $"denied after {denied}, allowed after {allowed}");

        // Not past the proxy: without it nobody answers, although the service itself is there and is known.
        proxy.Kill();
        await web.GetUntilAsync("http://app/", static text => text != "app-1");
        Assert.Equal("app-1", await new HttpClient().GetStringAsync(new Uri($"http://127.0.0.1:{app.Port}/"), Cancel));
    }

    [Fact]
    public async Task Server_CalledByConnectProxy_AnswersAndIntentionsHold()
    {
        await using var agent = await ConsulAgent.StartAsync(cancel: Cancel);
        await using var api = await ServingProcess.StartAsync(agent.Address, "api", Security);
        var port = FreePort();
        await using var proxy = ConnectProxy.StartUpstream(agent, "web", "api", port);
        using var plain = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}/") };

        await Wait.UntilAsync(() => AnswersAsync(plain), () => proxy.Error + proxy.Output + api.LogText());
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal("api", await plain.GetStringAsync("/", Cancel));
        }

        var intention = await agent.WriteIntentionAsync("web", "api");
        var denied = await MeasureAsync(() => Wait.UntilAsync(async () => !await AnswersAsync(plain)));
        await Wait.UntilAsync(() => api.LogText().Contains("web → api", StringComparison.Ordinal), api.LogText);

        await agent.DeleteAsync($"/v1/connect/intentions/{intention}");
        var allowed = await MeasureAsync(() => Wait.UntilAsync(() => AnswersAsync(plain)));
        TestContext.Current.TestOutputHelper?.WriteLine($"denied after {denied.TotalMilliseconds:0} ms, allowed after {allowed.TotalMilliseconds:0} ms");
        Assert.True(denied < s_soon && allowed < s_soon, $"denied after {denied}, allowed after {allowed}");
    }

    [Fact]
    public async Task Mesh_OnConsulsCertificates_CallsItself()
    {
        await using var agent = await ConsulAgent.StartAsync(cancel: Cancel);
        await using var api = await ServingProcess.StartAsync(agent.Address, "api", Security);
        await using var web = await CallingProcess.StartAsync(agent.Address, mesh: Security, service: "web");

        await web.GetUntilAsync("http://api/", static text => text == "api", () => api.LogText() + "\n---- caller\n" + web.LogText());
        var connection = await web.GetAsync("http://api/peer");
        Assert.EndsWith("/svc/web", connection, StringComparison.Ordinal);

        // STRICT: neither plaintext nor somebody without Consul's certificate.
        using var plain = new HttpClient();
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => plain.GetAsync(api.Address, Cancel));
    }

    /// <summary>What is promised is a second; the machine may be slow.</summary>
    private static readonly TimeSpan s_soon = TimeSpan.FromSeconds(5);

    private static async Task<bool> AnswersAsync(HttpClient client)
    {
        try
        {
            using var answer = await client.GetAsync("/", Cancel);
            return answer.StatusCode == HttpStatusCode.OK;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static async Task<TimeSpan> MeasureAsync(Func<Task> what)
    {
        var start = Stopwatch.GetTimestamp();
        await what();
        return Stopwatch.GetElapsedTime(start);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
