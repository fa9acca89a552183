using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Mesh.Discovery;
using Mesh.Discovery.Catalogs;
using Mesh.Discovery.Consul;
using Mesh.Discovery.Consul.Registration;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mesh.Consul.Tests.Registration;

public sealed class ConsulRegistrationTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Start_Http_IsPassingAtOnceAndTheAgentCallsThePath()
    {
        await using var agent = await ConsulAgent.StartAsync(cancel: Cancel);
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var instance = Instance("web-1", ((IPEndPoint)listener.LocalEndpoint).Port);
        using var client = Client(agent, out var options);
        options.Check.Interval = TimeSpan.FromSeconds(1);
        options.Check.Path = "/mesh/health?full=1";

        await using var registration = await StartAsync(client, options, instance);

        Assert.Equal("web-1", Assert.Single(await PassingAsync(agent, "web")));
        using var socket = await listener.AcceptSocketAsync(Cancel).AsTask().WaitAsync(s_limit, Cancel);
        var buffer = new byte[1024];
        var length = await socket.ReceiveAsync(buffer, Cancel);
        Assert.StartsWith("GET /mesh/health?full=1 HTTP/1.1", Encoding.ASCII.GetString(buffer, 0, length), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_Grpc_IsPassingAtOnceAndTheAgentCallsThePort()
    {
        await using var agent = await ConsulAgent.StartAsync(cancel: Cancel);
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var client = Client(agent, out var options);
        options.Check.Type = ConsulCheckType.Grpc;
        options.Check.Interval = TimeSpan.FromSeconds(1);

        await using var registration = await StartAsync(
            client, options, Instance("web-1", ((IPEndPoint)listener.LocalEndpoint).Port));

        Assert.Equal("web-1", Assert.Single(await PassingAsync(agent, "web")));
        using var socket = await listener.AcceptSocketAsync(Cancel).AsTask().WaitAsync(s_limit, Cancel);
        var buffer = new byte[3];
        await socket.ReceiveAsync(buffer, Cancel);
        Assert.Equal("PRI"u8.ToArray(), buffer);
    }

    [Fact]
    public async Task Start_Ttl_StaysPassingLongerThanItsTtlAndTurnsCriticalWithoutTheProcess()
    {
        await using var agent = await ConsulAgent.StartAsync(cancel: Cancel);
        using var client = Client(agent, out var options);
        options.Check.Type = ConsulCheckType.Ttl;
        options.Check.Interval = TimeSpan.FromSeconds(1);
        await using var registration = await StartAsync(client, options, Instance("web-1"));
        await PutAsync(agent, "v1/agent/service/register", """{ "ID": "web-2", "Name": "web", "Check": { "TTL": "3s", "Status": "passing" } }""");

        // The second one has the same TTL and nobody who reports.
        await UntilAsync(async () => !(await PassingAsync(agent, "web")).Contains("web-2"));
        await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, Cancel);

        Assert.Equal("web-1", Assert.Single(await PassingAsync(agent, "web")));
    }

    [Fact]
    public async Task Start_NoCheck_HasNone()
    {
        await using var agent = await ConsulAgent.StartAsync(cancel: Cancel);
        using var client = Client(agent, out var options);
        options.Check.Type = ConsulCheckType.None;

        await using var registration = await StartAsync(client, options, Instance("web-1"));

        Assert.Equal("web-1", Assert.Single(await PassingAsync(agent, "web")));
        Assert.Equal("{}", (await agent.HttpClient.GetStringAsync("v1/agent/checks", Cancel)).Trim());
    }

    [Fact]
    public async Task Start_EverythingThatMetaCanHold_ComesBackFromTheCatalog()
    {
        await using var agent = await ConsulAgent.StartAsync(cancel: Cancel);
        using var client = Client(agent, out var options);
        options.Tags.Add("blue");
        var labels = Enumerable.Range(0, 66).Select(static i => new KeyValuePair<string, string>($"l{i:00}", "v"))
            .Append(new("app.kubernetes.io/name", "web"))
            .Append(new("consul-x", "1"))
            .Append(new("mesh-own", "\"1\""))
            .Append(new("long", new string('x', 512)));
        var endpoint = new Endpoint
        {
            Address = new Uri("https://[::1]:8443"),
            Labels = new Labels(labels),
            Weight = 0,
            Locality = new Locality("eu", "eu-1", "rack"),
        };

        await using var registration = await StartAsync(
            client, options, new ServiceInstance("web-1", new ServiceName("web", "prod"), endpoint));

        using var json = JsonDocument.Parse(await agent.HttpClient.GetStringAsync("v1/health/service/web", Cancel));
        var service = json.RootElement[0].GetProperty("Service");
        var meta = service.GetProperty("Meta").EnumerateObject().ToDictionary(static p => p.Name, static p => p.Value.GetString()!);
        Assert.Equal(endpoint, new Endpoint
        {
            Address = ConsulMeta.Address(meta, service.GetProperty("Address").GetString()!, service.GetProperty("Port").GetInt32())!,
            Labels = ConsulMeta.ReadLabels(meta),
            Weight = ConsulMeta.Weight(meta, service.GetProperty("Weights").GetProperty("Passing").GetInt32()),
            Locality = ConsulMeta.Locality(meta),
        });
        Assert.Equal("prod", ConsulMeta.Namespace(meta));
        Assert.Equal("blue", service.GetProperty("Tags")[0].GetString());
    }

    [Theory]
    [InlineData(ConsulCheckType.Http)]
    [InlineData(ConsulCheckType.Ttl)]
    [InlineData(ConsulCheckType.None)]
    public async Task Agent_KilledAndStartedEmpty_IsRegisteredAgain(ConsulCheckType type)
    {
        await using var agent = await ConsulAgent.StartAsync(cancel: Cancel);
        using var client = Client(agent, out var options);
        options.Check.Type = type;
        await using var registration = await StartAsync(client, options, Instance("web-1"));

        await agent.RestartAsync(keepData: false, Cancel);

        await UntilAsync(async () => (await PassingAsync(agent, "web")).Contains("web-1"));
    }

    [Fact]
    public async Task Agent_KilledAndStartedWithItsData_IsThereOnce()
    {
        await using var agent = await ConsulAgent.StartAsync(new() { Persistent = true }, Cancel);
        using var client = Client(agent, out var options);
        options.Check.Type = ConsulCheckType.Ttl;
        options.Check.Interval = TimeSpan.FromSeconds(1);
        await using var registration = await StartAsync(client, options, Instance("web-1"));

        await agent.RestartAsync(keepData: true, Cancel);

        await UntilAsync(async () => (await PassingAsync(agent, "web")).Contains("web-1"));
        Assert.Single(await PassingAsync(agent, "web"));
    }

    [Fact]
    public async Task Service_DeregisteredByHand_IsRegisteredAgainAtOnce()
    {
        await using var agent = await ConsulAgent.StartAsync(cancel: Cancel);
        using var client = Client(agent, out var options);

        // Far longer than the test: only a query that is woken can see it.
        options.WaitTime = TimeSpan.FromMinutes(10);
        await using var registration = await StartAsync(client, options, Instance("web-1"));

        for (var i = 0; i < 3; i++)
        {
            await PutAsync(agent, "v1/agent/service/deregister/web-1", null);
            await UntilAsync(async () => (await PassingAsync(agent, "web")).Contains("web-1"));
        }
    }

    [Theory]
    [InlineData(ConsulCheckType.Http)]
    [InlineData(ConsulCheckType.Ttl)]
    public async Task Check_DeregisteredByHand_IsRegisteredAgain(ConsulCheckType type)
    {
        await using var agent = await ConsulAgent.StartAsync(cancel: Cancel);
        using var client = Client(agent, out var options);
        options.Check.Type = type;
        options.WaitTime = TimeSpan.FromSeconds(1);
        await using var registration = await StartAsync(client, options, Instance("web-1"));

        await PutAsync(agent, "v1/agent/check/deregister/service:web-1", null);

        await UntilAsync(async () =>
            (await agent.HttpClient.GetStringAsync("v1/agent/checks", Cancel)).Contains("service:web-1", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Service_InMaintenance_StaysSo()
    {
        await using var agent = await ConsulAgent.StartAsync(cancel: Cancel);
        using var client = Client(agent, out var options);
        options.WaitTime = TimeSpan.FromSeconds(1);
        await using var registration = await StartAsync(client, options, Instance("web-1"));

        await PutAsync(agent, "v1/agent/service/maintenance/web-1?enable=true", null);
        await Task.Delay(TimeSpan.FromSeconds(3), TimeProvider.System, Cancel);

        Assert.Empty(await PassingAsync(agent, "web"));
    }

    [Fact]
    public async Task Dispose_TakesItsOwnInstanceOnly()
    {
        await using var agent = await ConsulAgent.StartAsync(cancel: Cancel);
        using var client = Client(agent, out var options);
        var one = await StartAsync(client, options, Instance("web-1", 1001));
        await using var other = await StartAsync(client, options, Instance("web-2", 1002));
        Assert.Equal(["web-1", "web-2"], await PassingAsync(agent, "web"));

        await one.DisposeAsync();
        await one.DisposeAsync();

        Assert.Equal("web-2", Assert.Single(await PassingAsync(agent, "web")));
    }

    [Fact]
    public async Task Dispose_AgentGone_Throws()
    {
        await using var agent = await ConsulAgent.StartAsync(cancel: Cancel);
        using var client = Client(agent, out var options);
        var registration = await StartAsync(client, options, Instance("web-1"));
        await agent.KillAsync();

        var failure = await Assert.ThrowsAnyAsync<IOException>(async () => await registration.DisposeAsync());

        Assert.Contains("cannot be reached", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Dispose_AlreadyGone_IsFine()
    {
        var management = Guid.NewGuid().ToString();
        await using var agent = await ConsulAgent.StartAsync(new() { ManagementToken = management }, Cancel);
        using var client = Client(agent, out var options, management);
        var registration = await StartAsync(client, options, Instance("web-1"));
        await registration.DisposeAsync();
        var again = await StartAsync(client, options, Instance("web-1"));
        await PutAsync(agent, "v1/agent/service/deregister/web-1", null);

        await again.DisposeAsync();

        Assert.Empty(await PassingAsync(agent, "web"));
    }

    [Fact]
    public async Task Token_WithExactlyTheDocumentedRights_Suffices()
    {
        await using var agent = await ConsulAgent.StartAsync(new() { ManagementToken = Guid.NewGuid().ToString() }, Cancel);
        var token = await Acl.CreateTokenAsync(agent, Acl.Documented("web"));
        using var client = Client(agent, out var options, token);
        options.Check.Type = ConsulCheckType.Ttl;
        options.Check.Interval = TimeSpan.FromSeconds(1);

        var registration = await StartAsync(client, options, Instance("web-1"));
        await PutAsync(agent, "v1/agent/service/deregister/web-1", null);
        await UntilAsync(async () => (await PassingAsync(agent, "web")).Contains("web-1"));
        await PutAsync(agent, "v1/agent/check/deregister/service:web-1", null);
        await UntilAsync(async () =>
            (await agent.HttpClient.GetStringAsync("v1/agent/checks", Cancel)).Contains("service:web-1", StringComparison.Ordinal));
        await registration.DisposeAsync();

        Assert.Empty(await PassingAsync(agent, "web"));
    }

    [Fact]
    public async Task Token_WithoutTheRight_IsAClearErrorWithoutTheToken()
    {
        await using var agent = await ConsulAgent.StartAsync(new() { ManagementToken = Guid.NewGuid().ToString() }, Cancel);
        var other = await Acl.CreateTokenAsync(agent, Acl.Documented("other"));
        var wrong = Guid.NewGuid().ToString();

        foreach (var token in new[] { other, wrong })
        {
            using var client = Client(agent, out var options, token);
            var failure = await Assert.ThrowsAnyAsync<IOException>(() => StartAsync(client, options, Instance("web-1")));

            Assert.Contains("403", failure.Message, StringComparison.Ordinal);
            Assert.Contains("needs the right service \"web\" { policy = \"write\" }", failure.Message, StringComparison.Ordinal);
            Assert.DoesNotContain(token, failure.ToString(), StringComparison.Ordinal);
        }
    }

    private static Task<ConsulRegistration> StartAsync(ConsulClient client, ConsulOptions options, ServiceInstance instance) =>
        ConsulRegistration.StartAsync(
            client, options, TimeProvider.System, SystemRandomSource.Instance, NullLogger.Instance, instance, Cancel);

    private static ServiceInstance Instance(string id, int port = 1001) => new(
        id,
        new ServiceName("web", "default"),
        new Endpoint { Address = new Uri($"http://127.0.0.1:{port}"), Labels = new Labels([new("version", "v1")]) });

    private static ConsulClient Client(ConsulAgent agent, out ConsulOptions options, string token = "")
    {
        options = new ConsulOptions { Address = agent.Address, Token = token };
        return new ConsulClient(options, TimeProvider.System);
    }

    private static async Task<IReadOnlyList<string>> PassingAsync(ConsulAgent agent, string service)
    {
        using var json = JsonDocument.Parse(
            await agent.HttpClient.GetStringAsync($"v1/health/service/{service}?passing&consistent", Cancel));
        return [.. json.RootElement.EnumerateArray()
            .Select(static entry => entry.GetProperty("Service").GetProperty("ID").GetString()!)
            .Order(StringComparer.Ordinal)];
    }

    private static async Task PutAsync(ConsulAgent agent, string path, string? body)
    {
        using var content = body is null ? null : new StringContent(body);
        using var answer = await agent.HttpClient.PutAsync(path, content, Cancel);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (!await condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(started) < s_limit, "It did not happen.");
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Cancel);
        }
    }
}
