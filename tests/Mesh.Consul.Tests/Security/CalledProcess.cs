using System.Net;
using System.Text;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Security;
using Mesh.Server.Security;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace Mesh.Consul.Tests.Security;

/// <summary>A service of the mesh with certificates, which takes its callers for whom they say they are.</summary>
internal sealed class CalledProcess : IAsyncDisposable
{
    private WebApplication _app = null!;

    /// <summary>Whom the next connection comes from.</summary>
    private volatile SpiffeId? _next;

    public FakeLogCollector Logs => _app.Services.GetRequiredService<FakeLogCollector>();

    public MeshRuntime Runtime => _app.Services.GetRequiredService<MeshRuntime>();

    /// <param name="agent">The agent.</param>
    /// <param name="consul">More of <c>Mesh:Discovery:Consul</c>.</param>
    /// <param name="savedViews">Where views are saved.</param>
    public static async Task<CalledProcess> StartAsync(Uri agent, string consul = "", string savedViews = "none")
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration.AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes($$"""
            { "Mesh": {
                "Service": "api",
                "Security": { "Certificates": { "Source": "Test" } },
                "Discovery": { "Providers": [ "Consul" ], "Consul": { "Address": "{{agent}}", "SavedViewPath": "{{savedViews}}"{{consul}} } } } }
            """)));
        builder.Logging.ClearProviders().SetMinimumLevel(LogLevel.Information).AddFakeLogging();
        builder.Services.AddSingleton<ICertificateSource>(new TestCertificateSource(new TestAuthority().Set("api")));
        var process = new CalledProcess();
        builder.WebHost.UseUrls("http://127.0.0.1:0").ConfigureKestrel(kestrel => kestrel.ConfigureEndpointDefaults(
            endpoint => endpoint.Use(next => connection => AcceptAsync(process, connection, next))));
        builder.AddServiceMesh();
        process._app = builder.Build();
        process._app.Run(static context => context.Response.WriteAsync("served"));
        await process._app.StartAsync(TestContext.Current.CancellationToken);
        return process;
    }

    /// <summary>Opens a connection as that service, and keeps it.</summary>
    public async Task<HttpClient> ConnectAsync(string? service)
    {
        _next = service is null ? null : SpiffeId.Parse($"spiffe://cluster.local/ns/default/dc/dc1/svc/{service}");
        var client = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = 1 }) { BaseAddress = new Uri(_app.Urls.First()) };
        using var first = await client.GetAsync("/", TestContext.Current.CancellationToken);
        return client;
    }

    public string LogText() => string.Join('\n', Logs.GetSnapshot().Select(static record => record.Message));

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(CancellationToken.None);
        await _app.DisposeAsync();
    }

    private static async Task AcceptAsync(CalledProcess process, ConnectionContext connection, ConnectionDelegate next)
    {
        connection.Features.Set(new InboundConnection(((IPEndPoint)connection.LocalEndPoint!).Port, process._next is not null, process._next));
        await next(connection);
    }
}
