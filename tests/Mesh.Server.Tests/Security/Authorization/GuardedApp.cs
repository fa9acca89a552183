using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Mesh.Discovery.Security;
using Mesh.Server.Security;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Server.Tests.Security.Authorization;

/// <summary>An application on real Kestrel with ASP.NET's routing, guarded by policies.</summary>
internal sealed class GuardedApp : IAsyncDisposable
{
    private readonly WebApplication _app;

    private GuardedApp(WebApplication app, FakeTimeProvider time) => (_app, Time) = (app, time);

    public IServiceProvider Services => _app.Services;
    public FakeTimeProvider Time { get; }
    public FakeLogCollector Logs => _app.Services.GetRequiredService<FakeLogCollector>();
    public HttpClient Client { get; private set; } = null!;
    public Uri Address => new(_app.Urls.First());

    /// <summary>What the application itself has served.</summary>
    public ConcurrentQueue<string> Served { get; } = [];

    /// <param name="policies">The list <c>Mesh:Authorization</c>.</param>
    /// <param name="peer">Who all connections come from.</param>
    /// <param name="user">For whom all requests are.</param>
    /// <param name="protocols">What Kestrel speaks.</param>
    public static async Task<GuardedApp> StartAsync(
        string policies, string? peer = null, EndUser? user = null, HttpProtocols protocols = HttpProtocols.Http1)
    {
        var time = new FakeTimeProvider(new DateTimeOffset(2030, 1, 2, 3, 4, 5, TimeSpan.Zero));
        var builder = WebApplication.CreateBuilder();
        builder.Configuration.AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes($$"""{ "Mesh": { "Service": "ratings", "Authorization": {{policies}} } }""")));
        builder.WebHost.UseUrls("http://127.0.0.1:0").ConfigureKestrel(kestrel => kestrel.ConfigureEndpointDefaults(endpoint =>
        {
            endpoint.Protocols = protocols;
            endpoint.Use(next => connection =>
            {
                connection.Features.Set(new InboundConnection(
                    ((IPEndPoint)connection.LocalEndPoint!).Port, peer is not null, peer is null ? null : SpiffeId.Parse(peer)));
                if (user is not null)
                {
                    connection.Features.Set(user);
                }

                return next(connection);
            });
        }));
        builder.Logging.ClearProviders().SetMinimumLevel(LogLevel.Information).AddFakeLogging();
        builder.Services.AddSingleton<TimeProvider>(time);
        builder.AddServiceMesh();
        var guarded = new GuardedApp(builder.Build(), time);
        guarded.Map("/admin/{**rest}", "admin");
        guarded.Map("/public/{**rest}", "public");
        guarded.Map("/{**rest}", "other");
        try
        {
            await guarded._app.StartAsync();
            guarded.Client = new HttpClient { BaseAddress = guarded.Address };
            return guarded;
        }
        catch
        {
            await guarded.DisposeAsync();
            throw;
        }
    }

    /// <summary>Sends these bytes and returns all that is answered.</summary>
    public async Task<string> SendRawAsync(string request)
    {
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(IPAddress.Loopback, Address.Port);
        await using var stream = tcp.GetStream();
        await stream.WriteAsync(Encoding.Latin1.GetBytes(request.ReplaceLineEndings("\r\n")));
        using var answer = new MemoryStream();
        try
        {
            await stream.CopyToAsync(answer);
        }
        catch (IOException)
        {
            // Closed with a reset: what came before counts.
        }

        return Encoding.Latin1.GetString(answer.ToArray());
    }

    public Task<string> GetRawAsync(string target, string method = "GET", string headers = "Host: ratings\n") =>
        SendRawAsync($"{method} {target} HTTP/1.1\n{headers}Connection: close\nContent-Length: 0\n\n");

    public string[] Lines(int id) => [.. Logs.GetSnapshot().Where(record => record.Id.Id == id).Select(static record => record.Message)];

    public async ValueTask DisposeAsync()
    {
        Client?.Dispose();
        await _app.DisposeAsync();
    }

    private void Map(string pattern, string name) => _app.Map(pattern, (HttpContext context) =>
    {
        Served.Enqueue($"{context.Request.Method} {name}");
        return context.Response.WriteAsync(name);
    });
}
