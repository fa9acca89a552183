using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace Mesh.Consul.Tests.Support;

/// <summary>A process that serves in the mesh and registers in Consul. It answers with its name, and at <c>/peer</c> with its caller's.</summary>
internal sealed class ServingProcess : IAsyncDisposable
{
    private readonly WebApplication _app;

    private ServingProcess(WebApplication app) => _app = app;

    public Uri Address => new(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());

    public IServiceProvider Services => _app.Services;

    /// <param name="agent">The agent.</param>
    /// <param name="service">Its service.</param>
    /// <param name="mesh">More of <c>Mesh</c>, without the outer braces.</param>
    public static async Task<ServingProcess> StartAsync(Uri agent, string service, string mesh)
    {
        var builder = WebApplication.CreateSlimBuilder();
        var json = $$"""
            { "Mesh": {
                "Service": "{{service}}",
                "Discovery": { "Providers": [ "Consul" ], "Consul": { "Address": "{{agent}}", "SavedViewPath": "none" } },
                "Drain": { "Delay": "0s" }, {{mesh}} } }
            """;

        // Not what the samples have left in this directory.
        builder.Configuration.Sources.Clear();
        builder.Configuration.AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes(json)));
        builder.Logging.ClearProviders().SetMinimumLevel(LogLevel.Debug).AddFakeLogging();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.AddServiceMesh();
        var app = builder.Build();
        app.MapGet("/", () => service);
        app.MapGet("/peer", (HttpContext context) => context.GetMeshPeer()?.Id.ToString() ?? "nobody");
        await app.StartAsync(TestContext.Current.CancellationToken);
        return new ServingProcess(app);
    }

    public string LogText() => string.Join('\n', _app.Services.GetRequiredService<FakeLogCollector>().GetSnapshot().Select(static record =>
        $"{record.Level} {record.Message}{(record.Exception is { } e ? " " + e : "")}"));

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }
}
