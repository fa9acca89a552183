using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using Mesh.Discovery;

namespace Mesh.Server.Tests.Security;

public sealed class ModeTests
{
    private static readonly Version s_http2 = HttpVersion.Version20;

    [Theory]
    [InlineData(null, false)]
    [InlineData(null, true)]
    [InlineData(MtlsMode.Permissive, false)]
    [InlineData(MtlsMode.Permissive, true)]
    [InlineData(MtlsMode.Strict, false)]
    [InlineData(MtlsMode.Strict, true)]
    public async Task Mtls_GoodCertificate_IsServedWithItsIdentity(MtlsMode? mode, bool http2)
    {
        await using var app = await SecureApp.StartAsync(mode);

        var who = await app.WhoAsync(app.TlsClient(app.GoodLeaf(), version: http2 ? s_http2 : HttpVersion.Version11));

        Assert.Equal("spiffe://cluster.local/ns/prod/sa/productpage", who.Peer);
        Assert.True(who is { IsHttps: true, HasCertificate: true, HasTls: true, Gateway: null, IsUser: false });
        Assert.Equal(http2 ? "HTTP/2" : "HTTP/1.1", who.Protocol);
        Assert.Equal(1, app.Count("ok"));
    }

    [Theory]
    [InlineData(null)]
    [InlineData(MtlsMode.Permissive)]
    public async Task Permissive_PlaintextAndAnonymousTls_AreServedWithoutIdentity(MtlsMode? mode)
    {
        await using var app = await SecureApp.StartAsync(mode);

        var plain = await app.WhoAsync(app.PlainClient());
        var anonymous = await app.WhoAsync(app.TlsClient(null));

        Assert.True(plain is { Peer: null, IsHttps: false, HasTls: false });
        Assert.True(anonymous is { Peer: null, IsHttps: true, HasTls: true, HasCertificate: false });
    }

    [Fact]
    public async Task Strict_Plaintext_IsClosedUnansweredAndTold()
    {
        await using var app = await SecureApp.StartAsync(MtlsMode.Strict);

        await Assert.ThrowsAsync<HttpRequestException>(() => app.PlainClient().GetAsync("/who"));

        Assert.NotEqual(0, app.Count("refused", "plaintext"));
        Assert.Contains("(plaintext)", await app.Mesh.LogLine("A connection from 127.0.0.1:"), StringComparison.Ordinal);
        await app.Until(() => app.Register.Count == 0);
    }

    [Fact]
    public async Task Strict_TlsWithoutCertificate_IsRefused()
    {
        await using var app = await SecureApp.StartAsync(MtlsMode.Strict);

        await Assert.ThrowsAsync<HttpRequestException>(() => app.TlsClient(null).GetAsync("/who"));

        await app.Until(() => app.Count("refused", "no-certificate") > 0);
    }

    [Fact]
    public async Task Disable_Anything_IsTheApplications()
    {
        await using var app = await SecureApp.StartAsync(MtlsMode.Disable);

        var plain = await app.WhoAsync(app.PlainClient(), static request => request.Headers.Add("X-Forwarded-Client-Cert", "URI=spiffe://a/b"));

        Assert.Equal("URI=spiffe://a/b", plain.Xfcc);
        await Assert.ThrowsAsync<HttpRequestException>(() => app.TlsClient(app.GoodLeaf()).GetAsync("/who"));
        Assert.Equal(0, app.Count("ok"));
    }

    [Fact]
    public async Task Ports_OwnMode_GoesBeforeTheRest()
    {
        var port = FreePort();
        await using var app = await SecureApp.StartAsync(
            MtlsMode.Strict, options => options.Security.Ports[port] = MtlsMode.Disable, urls: $"http://127.0.0.1:0;http://127.0.0.1:{port}");
        var strict = app.Mesh.App.Urls.Select(static url => new Uri(url).Port).Single(other => other != port);

        Assert.False((await app.WhoAsync(app.PlainClient(port))).IsHttps);
        await Assert.ThrowsAsync<HttpRequestException>(() => app.PlainClient(strict).GetAsync("/who"));
        Assert.NotNull((await app.WhoAsync(app.TlsClient(app.GoodLeaf(), port: strict))).Peer);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Permissive_LargeBodiesBothWays_ArriveWhole(bool http2)
    {
        await using var app = await SecureApp.StartAsync();
        var body = new byte[5 * 1024 * 1024];
        new Random(1).NextBytes(body);

        foreach (var client in new[] { app.TlsClient(app.GoodLeaf(), version: http2 ? s_http2 : HttpVersion.Version11), app.PlainClient() })
        {
            using var response = await client.SendAsync(new HttpRequestMessage(HttpMethod.Post, "/echo")
            {
                Version = client.DefaultRequestVersion,
                VersionPolicy = HttpVersionPolicy.RequestVersionExact,
                Content = new ByteArrayContent(body),
            });

            var answer = await response.Content.ReadAsByteArrayAsync();
            Assert.True(body.AsSpan().SequenceEqual(answer));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Mtls_WebSocket_Echoes(int http)
    {
        await using var app = await SecureApp.StartAsync(MtlsMode.Strict);
        using var echo = new Inbound.WebSocketEcho(app.Mesh, app.TlsClient(app.GoodLeaf(), version: http == 2 ? s_http2 : HttpVersion.Version11));

        using var socket = await echo.ConnectAsync(http);

        Assert.Equal("hello", await Inbound.WebSocketEcho.EchoAsync(socket, "hello"));
    }

    [Theory]
    [InlineData("", "HTTP/1.1")]
    [InlineData("h2", "HTTP/1.1")]
    [InlineData("h2,http/1.1", "HTTP/1.1")]
    [InlineData("http/1.1", "HTTP/1.1")]
    public async Task Tls_Http1WhateverWasAgreed_IsServed(string offered, string spoken)
    {
        await using var app = await SecureApp.StartAsync();
        var protocols = offered.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(static name => new SslApplicationProtocol(name)).ToArray();
        await using var stream = await app.ConnectTlsAsync(null, protocols);

        await stream.WriteAsync("GET /who HTTP/1.1\r\nHost: reviews\r\nConnection: close\r\n\r\n"u8.ToArray());

        var answer = await new StreamReader(stream).ReadToEndAsync();
        Assert.StartsWith("HTTP/1.1 200", answer, StringComparison.Ordinal);
        Assert.Contains(spoken, answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tls_Http2InPieces_IsRecognized()
    {
        await using var app = await SecureApp.StartAsync();
        await using var stream = await app.ConnectTlsAsync(null, SslApplicationProtocol.Http2);

        foreach (var piece in new[] { "P", "RI * HTTP/2.0\r\n", "\r\nSM\r\n\r\n" })
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes(piece));
            await stream.FlushAsync();
        }

        await stream.WriteAsync(new byte[] { 0, 0, 0, 4, 0, 0, 0, 0, 0 });
        var frame = new byte[9];
        await stream.ReadExactlyAsync(frame);
        Assert.Equal(4, frame[3]);
    }

    [Fact]
    public async Task ModeChange_ToStrict_HoldsForNewAndOpenConnections()
    {
        await using var app = await SecureApp.StartAsync(MtlsMode.Permissive);
        using var idle = await app.ConnectAsync();
        var plain = app.PlainClient();
        await app.WhoAsync(plain);
        var held = plain.GetAsync("/held", HttpCompletionOption.ResponseHeadersRead);
        await app.Arrived.Task;

        await app.SetModeAsync(MtlsMode.Strict);

        await Assert.ThrowsAsync<HttpRequestException>(() => app.PlainClient().GetAsync("/who"));
        await idle.SendAsync("GET /who HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray());
        Assert.Equal(0, await ReceiveAsync(idle));
        app.Gate.TrySetResult();
        Assert.Equal("late", await (await held).Content.ReadAsStringAsync());
        Assert.NotNull((await app.WhoAsync(app.TlsClient(app.GoodLeaf()))).Peer);
        await app.SetModeAsync(MtlsMode.Permissive);
        Assert.Null((await app.WhoAsync(app.PlainClient())).Peer);
    }

    [Fact]
    public async Task ModeChange_OpenPlaintextConnection_IsClosed()
    {
        await using var app = await SecureApp.StartAsync(MtlsMode.Disable);
        using var open = await app.ConnectAsync();
        await open.SendAsync("GET /who HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray());
        Assert.True(await ReceiveAsync(open) > 0);

        await app.SetModeAsync(MtlsMode.Strict);

        while (await ReceiveAsync(open) > 0)
        {
        }

        await app.Until(() => app.Register.Count == 0);
    }

    [Fact]
    public async Task ModeChange_TlsWithoutCertificate_IsServedNoMore()
    {
        await using var app = await SecureApp.StartAsync(MtlsMode.Permissive);
        var anonymous = app.TlsClient(null);
        Assert.Null((await app.WhoAsync(anonymous)).Peer);
        var held = anonymous.GetAsync("/held", HttpCompletionOption.ResponseHeadersRead);
        await app.Arrived.Task;

        await app.SetModeAsync(MtlsMode.Strict);

        // The one that is open, too, when its time is over.
        await Assert.ThrowsAsync<HttpRequestException>(() => anonymous.GetAsync("/who"));
        await app.Until(() =>
        {
            app.Mesh.Time.Advance(TimeSpan.FromSeconds(5));
            return app.Register.Count == 0;
        });
        using var response = await held;
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task ModeChange_RequestThatSlipsThrough_Is403()
    {
        await using var app = await SecureApp.StartAsync(MtlsMode.Permissive);
        var plain = app.PlainClient();
        var held = plain.GetAsync("/held", HttpCompletionOption.ResponseHeadersRead);
        await app.Arrived.Task;

        // As if the request had come at the same moment: the connection is flagged, and not closed yet.
        await app.SetModeAsync(MtlsMode.Strict);
        app.Gate.TrySetResult();
        await held;
        var context = new Microsoft.AspNetCore.Http.DefaultHttpContext();
        context.Connection.LocalIpAddress = IPAddress.Loopback;
        context.Connection.LocalPort = app.Port;
        context.Request.Protocol = "HTTP/1.1";
        context.RequestServices = app.Mesh.App.Services;
        await Microsoft.Extensions.DependencyInjection.ActivatorUtilities.CreateInstance<Mesh.Server.Security.PeerMiddleware>(
            app.Mesh.App.Services, (Microsoft.AspNetCore.Http.RequestDelegate)(static _ => throw new InvalidOperationException("served"))).InvokeAsync(context);

        Assert.Equal(403, context.Response.StatusCode);
        Assert.Equal("close", context.Response.Headers.Connection);
    }

    [Fact]
    public async Task Unready_NoCertificateYet_RefusesTlsAndServesPlaintext()
    {
        await using var app = await SecureApp.StartAsync(hasCertificate: false);

        await Assert.ThrowsAsync<HttpRequestException>(() => app.TlsClient(app.GoodLeaf()).GetAsync("/who"));

        Assert.Null((await app.WhoAsync(app.PlainClient())).Peer);
        Assert.NotEqual(0, app.Count("refused", "no-own-certificate"));
        app.Source.Publish(app.Authority.Set("reviews", "prod"));
        await app.Mesh.LogLine("This process is");
        Assert.NotNull((await app.WhoAsync(app.TlsClient(app.GoodLeaf()))).Peer);
    }

    internal static async Task<int> ReceiveAsync(Socket socket)
    {
        try
        {
            return await socket.ReceiveAsync(new byte[4096]);
        }
        catch (SocketException)
        {
            return 0;
        }
    }

    internal static int FreePort()
    {
        using var listener = new Socket(SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)listener.LocalEndPoint!).Port;
    }
}
