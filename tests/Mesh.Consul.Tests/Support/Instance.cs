using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Mesh.Consul.Tests.Support;

/// <summary>A server that knows nothing of the mesh and answers with its name.</summary>
internal sealed class Instance : IAsyncDisposable
{
    private readonly WebApplication _app;
    private int _answered;

    private Instance(WebApplication app, string name) => (_app, Name) = (app, name);

    public string Name { get; }

    public int Port { get; private set; }

    /// <summary>How many requests it has answered.</summary>
    public int Answered => Volatile.Read(ref _answered);

    /// <summary>What it answers with. 200 unless set.</summary>
    public int Status { get; set; } = StatusCodes.Status200OK;

    public static async Task<Instance> StartAsync(string name)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(static kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var instance = new Instance(builder.Build(), name);
        instance._app.Run(async context =>
        {
            Interlocked.Increment(ref instance._answered);
            context.Response.StatusCode = instance.Status;
            await context.Response.WriteAsync(name);
        });
        await instance._app.StartAsync();
        var addresses = instance._app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!;
        instance.Port = new Uri(addresses.Addresses.Single()).Port;
        return instance;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }
}
