using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Mesh.Client.Tests;

/// <summary>A real server on a free port.</summary>
internal sealed class KestrelServer(WebApplication app) : IAsyncDisposable
{
    public string Address => app.Urls.Single();

    public static Task<KestrelServer> StartAsync(
        RequestDelegate answer, HttpProtocols protocols = HttpProtocols.Http1, Action<ListenOptions>? listen = null) =>
        StartAsync(static _ => { }, app => app.Run(answer), protocols, listen);

    public static async Task<KestrelServer> StartAsync(
        Action<WebApplicationBuilder> build, Action<WebApplication> map, HttpProtocols protocols, Action<ListenOptions>? listen = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, options =>
        {
            options.Protocols = protocols;
            listen?.Invoke(options);
        }));
        build(builder);
        var app = builder.Build();
        map(app);
        await app.StartAsync();
        return new KestrelServer(app);
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();
}
