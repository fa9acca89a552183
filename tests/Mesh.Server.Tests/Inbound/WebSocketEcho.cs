using System.Net;
using System.Net.WebSockets;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Mesh.Server.Tests.Inbound;

/// <summary>A WebSocket at <c>/echo</c> of an application, and its client.</summary>
internal sealed class WebSocketEcho : IDisposable
{
    private readonly MeshApp _mesh;
    private readonly HttpMessageInvoker _invoker;

    public WebSocketEcho(MeshApp mesh, HttpMessageInvoker? invoker = null)
    {
        _invoker = invoker ?? new HttpMessageInvoker(new SocketsHttpHandler());
        _mesh = mesh;
        var echo = ((IEndpointRouteBuilder)mesh.App).CreateApplicationBuilder().UseWebSockets();
        echo.Run(AnswerAsync);
        mesh.App.Map("/echo", echo.Build());
    }

    public static void UseHttp2(WebApplicationBuilder builder) =>
        builder.WebHost.ConfigureKestrel(static kestrel => kestrel.ConfigureEndpointDefaults(static listen => listen.Protocols = HttpProtocols.Http2));

    public static async Task<string> EchoAsync(WebSocket socket, string text)
    {
        var cancel = TestContext.Current.CancellationToken;
        await socket.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, endOfMessage: true, cancel);
        var buffer = new byte[100];
        var received = await socket.ReceiveAsync(buffer, cancel);
        return Encoding.UTF8.GetString(buffer, 0, received.Count);
    }

    public Task<WebSocket> ConnectAsync(params (string Name, string Value)[] headers) => ConnectAsync(1, headers);

    public async Task<WebSocket> ConnectAsync(int httpVersion, params (string Name, string Value)[] headers)
    {
        var socket = new ClientWebSocket();
        socket.Options.HttpVersion = Version(httpVersion);
        socket.Options.HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        foreach (var (name, value) in headers)
        {
            socket.Options.SetRequestHeader(name, value);
        }

        var address = new UriBuilder(_mesh.App.Urls.First()) { Scheme = "ws", Path = "/echo" };
        await socket.ConnectAsync(address.Uri, _invoker, TestContext.Current.CancellationToken);
        return socket;
    }

    public async Task<string> GetAsync(string path, int httpVersion)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(_mesh.Client.BaseAddress!, path))
        {
            Version = Version(httpVersion), VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        using var response = await _invoker.SendAsync(request, TestContext.Current.CancellationToken);
        return await response.EnsureSuccessStatusCode().Content.ReadAsStringAsync();
    }

    public void Dispose() => _invoker.Dispose();

    private static Version Version(int version) => version == 1 ? HttpVersion.Version11 : HttpVersion.Version20;

    private static async Task AnswerAsync(HttpContext context)
    {
        using var socket = await context.WebSockets.AcceptWebSocketAsync();
        var buffer = new byte[100];
        while (true)
        {
            var received = await socket.ReceiveAsync(buffer, context.RequestAborted);
            if (received.MessageType == WebSocketMessageType.Close)
            {
                return;
            }

            await socket.SendAsync(buffer.AsMemory(0, received.Count), WebSocketMessageType.Text, endOfMessage: true, context.RequestAborted);
        }
    }
}
