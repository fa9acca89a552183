using System.Net;
using System.Net.Sockets;
using Mesh.Client.Tests.Security;
using Mesh.Client.Transport;
using Mesh.Discovery;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Mesh.Client.Tests.Transport;

/// <summary>Health checks over real connections.</summary>
public sealed class EndpointProberTests
{
    [Theory]
    [InlineData(200, null)]
    [InlineData(204, null)]
    [InlineData(404, "/live?deep=1 answers 404")]
    [InlineData(503, "/live?deep=1 answers 503")]
    public async Task Probe_Http_GoesByTheStatus(int status, string? problem)
    {
        string? asked = null;
        await using var server = await StartAsync(HttpProtocols.Http1, context =>
        {
            asked = $"{context.Request.Host} {context.Request.Path}{context.Request.QueryString} {context.Request.Headers.UserAgent}";
            context.Response.StatusCode = status;
            return Task.CompletedTask;
        });

        Assert.Equal(problem, await ProbeAsync(server, new HealthCheckConfig { Path = "/live?deep=1" }));
        Assert.Equal("reviews.default.svc.cluster.local /live?deep=1 mesh-health-check", asked!.Replace("reviews.default ", "reviews.default.svc.cluster.local "));
    }

    [Theory]
    [InlineData(1, "0", null)]
    [InlineData(2, "0", "the gRPC health service says that shop.Reviews is not serving")]
    [InlineData(1, "5", "the gRPC health service answers with the status 5")]
    public async Task Probe_Grpc_GoesByTheAnswer(byte serving, string status, string? problem)
    {
        byte[] asked = [];
        await using var server = await StartAsync(HttpProtocols.Http2, async context =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            asked = body.ToArray();
            context.Response.ContentType = "application/grpc";
            context.Response.DeclareTrailer("grpc-status");
            await context.Response.Body.WriteAsync((byte[])[0, 0, 0, 0, 2, 0x08, serving]);
            context.Response.AppendTrailer("grpc-status", status);
        });

        Assert.Equal(problem, await ProbeAsync(server, new HealthCheckConfig { Type = HealthCheckType.Grpc, GrpcService = "shop.Reviews" }));
        Assert.Equal([0, 0, 0, 0, 14, 0x0A, 12, .. "shop.Reviews"u8], asked);
    }

    [Fact]
    public async Task Probe_GrpcServiceThatIsNotThere_SaysSo()
    {
        await using var server = await StartAsync(HttpProtocols.Http2, static context =>
        {
            context.Response.ContentType = "application/grpc";
            context.Response.Headers["grpc-status"] = "12";
            return Task.CompletedTask;
        });

        Assert.Equal("the gRPC health service answers with the status 12", await ProbeAsync(server, new HealthCheckConfig { Type = HealthCheckType.Grpc }));
    }

    [Fact]
    public async Task Probe_Tcp_OnlyConnects()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var address = new Uri($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}");

        Assert.Null(await ProbeAsync(address, new HealthCheckConfig { Type = HealthCheckType.Tcp }));

        listener.Stop();
        Assert.Contains("refused", await ProbeAsync(address, new HealthCheckConfig { Type = HealthCheckType.Tcp }), StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task Checks_OfAMeshedProcess_LeaveOutWhoSaysNo()
    {
        var isIll = true;
        await using var well = await StartAsync(HttpProtocols.Http1, static _ => Task.CompletedTask);
        await using var ill = await StartAsync(HttpProtocols.Http1, context =>
        {
            context.Response.StatusCode = Volatile.Read(ref isIll) && context.Request.Path == "/mesh/health" ? 503 : 200;
            return Task.CompletedTask;
        });
        await using var mesh = await TestMesh.StartAsync(
            $$"""
            "Services": { "reviews": { "Endpoints": [ { "Address": "{{Address(well)}}" }, { "Address": "{{Address(ill)}}" } ] } },
            "Destinations": { "reviews": { "HealthCheck": { "Interval": "100ms", "UnhealthyThreshold": 1, "HealthyThreshold": 1 } } }
            """,
            sockets: true);
        var destination = mesh.Runtime.Current.Find("reviews")!.Destinations.First();

        // Nobody asks before the first call.
        Assert.Null(destination.Service.Checks);
        (await mesh.Http.GetAsync("http://reviews/", TestContext.Current.CancellationToken)).Dispose();

        await ViewHas(destination, 1);
        Assert.Equal(Address(well), destination.View.Endpoints[0].Endpoint.Address);

        Volatile.Write(ref isIll, false);
        await ViewHas(destination, 2);

        static async Task ViewHas(DestinationState destination, int endpoints)
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
            limit.CancelAfter(TimeSpan.FromSeconds(60));
            while (destination.View.Endpoints.Length != endpoints)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, limit.Token);
            }
        }
    }

    private static Task<string?> ProbeAsync(WebApplication server, HealthCheckConfig check) => ProbeAsync(Address(server), check);

    private static async Task<string?> ProbeAsync(Uri address, HealthCheckConfig check)
    {
        using var parts = new TransportParts();
        var transport = parts.Transport;
        var endpoint = new EndpointState(new ServiceName("reviews", "default"), new Mesh.Discovery.Endpoint { Address = address });
        try
        {
            return await new EndpointProber(transport).ProbeAsync(endpoint, check, TestContext.Current.CancellationToken);
        }
        finally
        {
            endpoint.Transport?.Dispose();
        }
    }

    private static Uri Address(WebApplication server) => new(server.Urls.Single());

    private static async Task<WebApplication> StartAsync(HttpProtocols protocols, RequestDelegate answer)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(
            options => options.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = protocols));
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Run(answer);
        await app.StartAsync(TestContext.Current.CancellationToken);
        return app;
    }
}
