using System.Net;
using Mesh.Client.Pipeline;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Client.Tests.Misbehaviour;

/// <summary>Connections that are kept, and go bad between two requests or because of one.</summary>
public sealed class ConnectionTests
{
    private const int StreamCancel = 8;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>
    /// The race of every keep-alive connection: the callee closes it just as the next request is on its way. Nobody can know
    /// whether that was processed. What has no body the transport sends again by itself, on a new connection.
    /// </summary>
    [Theory]
    [InlineData("GET", false, 1)]
    [InlineData("POST", false, null)]
    [InlineData("POST", true, 2)]
    public async Task Send_KeptConnectionIsClosedUnderTheRequest_IsRepeatedOnlyIfIdempotent(string method, bool hasKey, int? attempts)
    {
        await using var server = new RawServer(static async c =>
        {
            if (c.Number == 0)
            {
                await c.ReadRequestAsync();
                await c.RespondAsync();
                await c.UntilSomethingIsThere();
                c.Close();
            }

            await c.ServeAsync();
        });
        await using var mesh = await Mesh(server);
        await mesh.Http.GetStringAsync("http://reviews/", Cancel);
        using var request = Request(method, hasKey);

        var call = mesh.Finish(mesh.Http.SendAsync(request, Cancel));
        if (attempts is null)
        {
            await Assert.ThrowsAsync<HttpRequestException>(() => call);
        }
        else
        {
            Assert.Equal(HttpStatusCode.OK, (await call).StatusCode);
        }

        Assert.Equal(attempts is null ? 1 : 2, server.Connections.Count);
        Assert.Equal(attempts > 1 ? 1 : 0, mesh.Logs.GetSnapshot().Count(static log => log.Id.Id == 202));
        Assert.Equal(0, mesh.InFlight);
    }

    /// <summary>Once the close has arrived, the pool does not use the connection any more.</summary>
    [Fact]
    public async Task Send_KeptConnectionWasClosedBefore_ANewOneIsUsed()
    {
        await using var server = new RawServer(static async c =>
        {
            if (c.Number == 0)
            {
                await c.ReadRequestAsync();
                await c.WriteAsync("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
                c.Close();
            }

            await c.ServeAsync();
        });
        await using var mesh = await Mesh(server);
        await mesh.Http.GetStringAsync("http://reviews/", Cancel);
        using var request = Request("POST");

        using var response = await mesh.Http.SendAsync(request, Cancel);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(2, server.Connections.Count);
    }

    [Fact]
    public async Task Send_KeptConnectionHasDiedSilently_IsGivenUpAfterTheTryAndRepeated()
    {
        await using var server = new RawServer(static async c =>
        {
            if (c.Number == 0)
            {
                await c.ReadRequestAsync();
                await c.RespondAsync();
                await c.ReadRequestAsync();
                c.SayStuck();
            }
            else
            {
                await c.ServeAsync();
            }
        });
        await using var mesh = await Mesh(server, perTry: "10s");
        await mesh.Http.GetStringAsync("http://reviews/", Cancel);

        var call = mesh.Http.GetStringAsync("http://reviews/", Cancel);
        await server.Stuck.Task.WaitAsync(Cancel);
        mesh.Time.Advance(TimeSpan.FromSeconds(10) + AttemptTimeouts.Tick);

        Assert.Equal("ok", await mesh.Finish(call, stepMs: 1));
        await server.Connections.First().Closed.WaitAsync(Cancel);
        Assert.Equal(0, mesh.InFlight);
    }

    /// <summary>No connection, or one that broke: it depends on how fast the reset is.</summary>
    [Fact]
    public async Task Send_ResetOnAccept_IsRepeated()
    {
        await using var server = new RawServer(static async c =>
        {
            if (c.Number == 0)
            {
                c.Reset();
            }

            await c.ServeAsync();
        });
        await using var mesh = await Mesh(server);

        Assert.Equal("ok", await mesh.Finish(mesh.Http.GetStringAsync("http://reviews/", Cancel)));
        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Send_BytesAfterABody_DoNotBecomeTheNextResponse()
    {
        await using var server = new RawServer(static async c =>
        {
            if (c.Number == 0)
            {
                await c.ReadRequestAsync();
                await c.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
            }

            await c.ServeAsync();
        });
        await using var mesh = await Mesh(server);

        Assert.Equal("ok", await mesh.Http.GetStringAsync("http://reviews/", Cancel));
        Assert.Equal("ok", await mesh.Http.GetStringAsync("http://reviews/", Cancel));

        Assert.Equal(2, server.Connections.Count);
        await server.Connections.First().Closed.WaitAsync(Cancel);
    }

    [Fact]
    public async Task Send_StreamIsReset_TheConnectionIsUsedOn()
    {
        await using var server = new RawServer(static async c =>
        {
            var frames = await Frames.AcceptAsync(c);
            await frames.ResetAsync(await frames.ReadRequestAsync(), 2);
            while (true)
            {
                await frames.RespondAsync(await frames.ReadRequestAsync());
            }
        });
        await using var mesh = await Mesh(server);
        using var request = Request("GET", version: 2);

        using var response = await mesh.Finish(mesh.Http.SendAsync(request, Cancel));

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal((1, 2), (server.Connections.Count, server.Requests));
    }

    [Fact]
    public async Task Read_BodyOfAStreamStandsStill_TheStreamIsGivenUpAndNotTheConnection()
    {
        var reset = new TaskCompletionSource<(int, int)>();
        await using var server = new RawServer(async c =>
        {
            var frames = await Frames.AcceptAsync(c);
            var stream = await frames.ReadRequestAsync();
            await frames.HeadersAsync(stream);
            await frames.DataAsync(stream, end: false);
            reset.SetResult(await frames.ReadResetAsync());
            while (true)
            {
                await frames.RespondAsync(await frames.ReadRequestAsync());
            }
        });
        await using var mesh = await Mesh(server);
        using var request = Request("GET", version: 2);
        using var response = await mesh.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancel);
        await using var body = await response.Content.ReadAsStreamAsync(Cancel);
        await body.ReadExactlyAsync(new byte[2], Cancel);

        await Assert.ThrowsAsync<IOException>(() => mesh.Finish(body.ReadAsync(new byte[1], Cancel).AsTask(), stepMs: 5000));

        Assert.Equal((1, StreamCancel), await reset.Task.WaitAsync(Cancel));
        Assert.Equal(0, mesh.InFlight);
        using var next = Request("GET", version: 2);
        using var nextResponse = await mesh.Http.SendAsync(next, Cancel);
        Assert.Equal("ok", await nextResponse.Content.ReadAsStringAsync(Cancel));
        Assert.Single(server.Connections);
    }

    /// <summary>A refused stream is not processed, but an open body is gone with it.</summary>
    [Fact]
    public async Task Send_StreamIsRefusedWhileTheBodyIsOpen_FailsAndIsNotSentInPart()
    {
        await using var server = new RawServer(static async c =>
        {
            var frames = await Frames.AcceptAsync(c);
            while (true)
            {
                await frames.ResetAsync(await frames.ReadRequestAsync(untilItsEnd: false), 7);
            }
        });
        await using var mesh = await Mesh(server);
        var content = new OpenContent();
        using var request = Request("POST", version: 2);
        request.Content = content;

        var error = await Assert.ThrowsAsync<HttpRequestException>(() => mesh.Finish(mesh.Http.SendAsync(request, Cancel)));

        Assert.Contains("cannot be sent twice", $"{error}", StringComparison.Ordinal);
        Assert.Equal(1, content.Uses);
        Assert.Equal(0, mesh.InFlight);
        Assert.Equal(0, mesh.Services.GetRequiredService<AttemptTimeouts>().UnderWay);
    }

    private static HttpRequestMessage Request(string method, bool hasKey = false, int version = 1)
    {
        var request = new HttpRequestMessage(new HttpMethod(method), "http://reviews/")
        {
            Version = version == 2 ? HttpVersion.Version20 : HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = method == "GET" ? null : new StringContent("body"),
        };
        if (hasKey)
        {
            request.Headers.Add("Idempotency-Key", "1");
        }

        return request;
    }

    private static Task<TestMesh> Mesh(RawServer server, string perTry = "0") => TestMesh.StartAsync(
        $$"""
        "Services": { "reviews": { "Endpoints": [ { "Address": "{{server.Address}}" } ] } },
        "Outbound": { "PerTryTimeout": "{{perTry}}", "Timeout": "0" }
        """,
        sockets: true,
        fakeTime: true);

    /// <summary>Writes a part and no end.</summary>
    private sealed class OpenContent : HttpContent
    {
        private int _uses;

        public int Uses => Volatile.Read(ref _uses);

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _uses);
            await stream.WriteAsync("part"u8.ToArray(), cancellationToken);
            await stream.FlushAsync(cancellationToken);
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
