using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Mesh.Server.Tests.Security.Jwt;

/// <summary>The HTTP server of an issuer.</summary>
internal sealed class KeyServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private int _fetches;

    private KeyServer(WebApplication app) => _app = app;

    /// <summary>What it answers at <c>/keys</c>; null for 503.</summary>
    public volatile string? Keys;

    /// <summary>What it answers as its OpenID configuration.</summary>
    public volatile string Configuration = "{}";

    /// <summary>Answers wait for it.</summary>
    public volatile TaskCompletionSource? Gate;

    public int Fetches => Volatile.Read(ref _fetches);

    public string Url => _app.Urls.First();

    public static async Task<KeyServer> StartAsync(string? keys)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        var server = new KeyServer(builder.Build()) { Keys = keys };
        server._app.MapGet("/keys", server.AnswerKeysAsync);
        server._app.MapGet("/.well-known/openid-configuration", () => server.Configuration);
        await server._app.StartAsync();
        return server;
    }

    public async ValueTask DisposeAsync()
    {
        Gate?.TrySetResult();
        await _app.DisposeAsync();
    }

    private async Task AnswerKeysAsync(HttpContext context)
    {
        Interlocked.Increment(ref _fetches);
        if (Gate is { } gate)
        {
            await gate.Task.WaitAsync(context.RequestAborted);
        }

        if (Keys is { } keys)
        {
            await context.Response.WriteAsync(keys);
        }
        else
        {
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        }
    }
}
