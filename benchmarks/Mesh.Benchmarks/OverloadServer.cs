using Mesh.Discovery;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Mesh.Benchmarks;

/// <summary>
/// The callee of the overload benchmark, a process of its own: <see cref="Workers"/> requests are served at a time, each for
/// <see cref="ServiceTime"/> without the processor; the others queue up, as they do before a database's connections. One
/// whose caller is gone leaves the queue, as in a well-made application.
/// </summary>
internal static class OverloadServer
{
    public const int Workers = 16;
    public static readonly TimeSpan ServiceTime = TimeSpan.FromMilliseconds(40);

    /// <summary>Serves until its standard input ends; prints its address first.</summary>
    public static async Task<int> RunAsync(AdaptiveConcurrencyMode mode)
    {
        var builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.WebHost.ConfigureKestrel(static kestrel => kestrel.ConfigureEndpointDefaults(static listen => listen.Protocols = HttpProtocols.Http2));
        builder.AddServiceMesh(options =>
        {
            options.Discovery.Providers.Add("Configuration");
            options.Inbound.Deadlines = mode != AdaptiveConcurrencyMode.Off;
            options.Inbound.TrustPriority = true;
            options.Inbound.Concurrency.Mode = mode;
        });
        var app = builder.Build();
        using var workers = new SemaphoreSlim(Workers);
        app.Run(async context =>
        {
            await workers.WaitAsync(context.RequestAborted);
            try
            {
                await Task.Delay(ServiceTime, TimeProvider.System, CancellationToken.None);
            }
            finally
            {
                workers.Release();
            }

            await context.Response.WriteAsync("served");
        });
        await app.StartAsync();
        Console.WriteLine(app.Urls.First());
        await Console.In.ReadToEndAsync();
        await app.StopAsync();
        return 0;
    }
}
