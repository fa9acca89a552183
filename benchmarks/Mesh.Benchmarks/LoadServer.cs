using System.Net;
using Mesh.Benchmarks.Security;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Mesh.Benchmarks;

/// <summary>The callee of the load benchmark: a process of its own that answers 1 KB on several ports, in plaintext and by mTLS.</summary>
internal static class LoadServer
{
    public const int Ports = 6;

    /// <summary>Serves until its standard input ends; prints its addresses first, in plaintext on one line and by mTLS on the next.</summary>
    /// <param name="certificates">The directory of the <see cref="BenchmarkIdentities"/>.</param>
    public static async Task<int> RunAsync(string certificates)
    {
        var identity = BenchmarkIdentities.Callee(certificates);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
        {
            for (var i = 0; i < Ports; i++)
            {
                kestrel.Listen(IPAddress.Loopback, 0, static listen => listen.Protocols = HttpProtocols.Http1);
                kestrel.Listen(IPAddress.Loopback, 0, listen =>
                {
                    listen.Protocols = HttpProtocols.Http1;
                    listen.UseHttps(new TlsHandshakeCallbackOptions { OnConnection = _ => ValueTask.FromResult(BenchmarkIdentities.ServerOptions(identity)) });
                });
            }
        });
        var app = builder.Build();
        var body = new byte[1024];
        app.Run(context =>
        {
            context.Response.ContentLength = body.Length;
            return context.Response.Body.WriteAsync(body).AsTask();
        });
        await app.StartAsync();
        var addresses = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses;
        foreach (var scheme in new[] { Uri.UriSchemeHttp, Uri.UriSchemeHttps })
        {
            Console.WriteLine(string.Join(' ', addresses.Where(address => address.StartsWith(scheme + ":", StringComparison.Ordinal))));
        }

        await Console.In.ReadToEndAsync();
        await app.StopAsync();
        return 0;
    }
}
