using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Mesh.Client.Pipeline;
using Mesh.Client.Tests.Security;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Client.Tests.Transport;

public sealed class SocketTests
{
    [Fact]
    public async Task Send_OneEndpointIsDead_TheStreamedBodyArrivesAtTheOther()
    {
        await using var server = await KestrelServer.StartAsync(static async context =>
        {
            using var reader = new StreamReader(context.Request.Body);
            await context.Response.WriteAsync(await reader.ReadToEndAsync());
        });
        await using var mesh = await Mesh(server.Address, Dead());

        for (var i = 0; i < 10; i++)
        {
            using var response = await mesh.Http.PostAsync(
                "http://reviews/", new StreamContent(new OneWayStream("streamed")), TestContext.Current.CancellationToken);
            Assert.Equal("streamed", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        }

        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Send_ConnectionBreaksBeforeTheResponse_IsRetriedIfIdempotent()
    {
        await using var server = await KestrelServer.StartAsync(static context => context.Response.WriteAsync("ok"));
        using var breaking = new TcpListener(IPAddress.Loopback, 0);
        breaking.Start();
        using var stop = new CancellationTokenSource();
        var accepting = Task.Run(async () =>
        {
            try
            {
                while (true)
                {
                    using var socket = await breaking.AcceptSocketAsync(stop.Token);
                    await socket.ReceiveAsync(new byte[1024], stop.Token);
                    socket.Close(0);
                }
            }
            catch (OperationCanceledException)
            {
                // The test is over.
            }
        });
        await using var mesh = await Mesh(server.Address, $"http://{breaking.LocalEndpoint}");

        for (var i = 0; i < 10; i++)
        {
            Assert.Equal("ok", await mesh.Http.GetStringAsync("http://reviews/", TestContext.Current.CancellationToken));
        }

        await stop.CancelAsync();
        await accepting;
        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Send_Host_StaysTheLogicalName()
    {
        await using var server = await KestrelServer.StartAsync(static context => context.Response.WriteAsync(context.Request.Host.Value!));
        await using var mesh = await Mesh(server.Address);

        Assert.Equal("reviews", await mesh.Http.GetStringAsync("http://reviews/", TestContext.Current.CancellationToken));
        Assert.Equal("reviews.default:81", await mesh.Http.GetStringAsync("http://reviews.default:81/", TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Send_Http2WithPriorKnowledge_Works()
    {
        await using var server = await KestrelServer.StartAsync(
            static context => context.Response.WriteAsync(context.Request.Protocol), HttpProtocols.Http2);
        await using var mesh = await Mesh(server.Address);
        var request = new HttpRequestMessage(HttpMethod.Get, "http://reviews/")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };

        using var response = await mesh.Http.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal("HTTP/2", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal(HttpVersion.Version20, response.Version);
    }

    [Fact]
    public async Task Send_Retried_EachAttemptHasItsOwnTraceContext()
    {
        var seen = new ConcurrentQueue<string>();
        await using var server = await KestrelServer.StartAsync(context =>
        {
            seen.Enqueue(context.Request.Headers.TraceParent.ToString());
            context.Response.StatusCode = seen.Count == 1 ? 503 : 200;
            return Task.CompletedTask;
        });
        await using var mesh = await Mesh(server.Address);
        using var parent = new Activity("caller").Start();

        using var response = await mesh.Http.GetAsync("http://reviews/", TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(2, seen.Count);
        Assert.Equal(2, seen.Where(static t => t.Length == 55).Distinct().Count());
        Assert.All(seen, t => Assert.Contains(parent.TraceId.ToString(), t, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Send_TraceContextOfTheCaller_IsKeptInEveryAttempt()
    {
        const string Own = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01";
        var seen = new ConcurrentQueue<string>();
        await using var server = await KestrelServer.StartAsync(context =>
        {
            seen.Enqueue(context.Request.Headers.TraceParent.ToString());
            context.Response.StatusCode = seen.Count == 1 ? 503 : 200;
            return Task.CompletedTask;
        });
        await using var mesh = await Mesh(server.Address);
        using var parent = new Activity("caller").Start();
        var request = new HttpRequestMessage(HttpMethod.Get, "http://reviews/");
        request.Headers.Add("traceparent", Own);

        using var response = await mesh.Http.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal([Own, Own], seen);
    }

    [Fact]
    public async Task Dispose_Container_ClosesConnections()
    {
        var closed = new TaskCompletionSource();
        await using var server = await KestrelServer.StartAsync(
            static context => context.Response.WriteAsync("ok"),
            listen: options => options.Use(next => async connection =>
            {
                connection.ConnectionClosed.Register(closed.SetResult);
                await next(connection);
            }));
        await using (var mesh = await Mesh(server.Address))
        {
            await mesh.Http.GetStringAsync("http://reviews/", TestContext.Current.CancellationToken);
            Assert.False(closed.Task.IsCompleted);
        }

        await closed.Task.WaitAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Create_HandshakeNeverEnds_IsProvablyUnsentWhenTheConnectTimeIsOver()
    {
        var time = new FakeTimeProvider();
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        using var parts = new TransportParts(time: time);
        var factory = parts.Factory;
        using var invoker = new HttpMessageInvoker(factory.Create(new Discovery.Endpoint { Address = new Uri($"https://{silent.LocalEndpoint}") }));
        var call = invoker.SendAsync(new HttpRequestMessage(HttpMethod.Get, "http://reviews/"), TestContext.Current.CancellationToken);
        using var accepted = await silent.AcceptSocketAsync(TestContext.Current.CancellationToken);
        Assert.NotEqual(0, await accepted.ReceiveAsync(new byte[1], TestContext.Current.CancellationToken));

        time.Advance(TimeSpan.FromSeconds(5));

        var error = await Assert.ThrowsAsync<HttpRequestException>(() => call);
        Assert.Equal(AttemptFailure.Unsent, AttemptFailures.Classify(error, hasExpired: false, CancellationToken.None));
        Assert.Equal(SocketError.TimedOut, Assert.IsType<SocketException>(error.InnerException).SocketErrorCode);
    }

    [Theory]
    [InlineData("1.1", HttpVersionPolicy.RequestVersionOrLower, "http/1.1")]
    [InlineData("2.0", HttpVersionPolicy.RequestVersionOrLower, "http/1.1")]
    [InlineData("2.0", HttpVersionPolicy.RequestVersionExact, "h2")]
    public async Task Create_HttpsEndpointUnderAnHttpAddress_SpeaksTlsWithTheEndpointsName(
        string version, HttpVersionPolicy policy, string protocol)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var hello = ReadHello(listener);
        using var parts = new TransportParts();
        var factory = parts.Factory;
        using var invoker = new HttpMessageInvoker(
            factory.Create(new Discovery.Endpoint { Address = new Uri($"https://localhost:{((IPEndPoint)listener.LocalEndpoint).Port}") }));
        var request = new HttpRequestMessage(HttpMethod.Get, "http://reviews/") { Version = Version.Parse(version), VersionPolicy = policy };

        // Nobody trusts the certificate.
        var error = await Assert.ThrowsAsync<HttpRequestException>(() => invoker.SendAsync(request, TestContext.Current.CancellationToken));

        Assert.Equal(HttpRequestError.SecureConnectionError, error.HttpRequestError);
        Assert.Equal(AttemptFailure.Unsent, AttemptFailures.Classify(error, hasExpired: false, CancellationToken.None));
        var (name, firstBytes) = await hello;
        Assert.Equal("localhost", name);
        Assert.Contains(protocol, firstBytes, StringComparison.Ordinal);
        Assert.DoesNotContain(protocol == "h2" ? "http/1.1" : "\u0002h2", firstBytes, StringComparison.Ordinal);
    }

    private static async Task<(string? Name, string Bytes)> ReadHello(TcpListener listener)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var now = TimeProvider.System.GetUtcNow();
        using var made = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        using var certificate = X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pfx), null);
        using var socket = await listener.AcceptSocketAsync();
        var peek = new byte[4096];
        var length = await socket.ReceiveAsync(peek, SocketFlags.Peek);
        string? name = null;
        await using var tls = new SslStream(new NetworkStream(socket));
        try
        {
            await tls.AuthenticateAsServerAsync(
                (_, client, _, _) =>
                {
                    name = client.ServerName;
                    return ValueTask.FromResult(new SslServerAuthenticationOptions { ServerCertificate = certificate });
                },
                null);
            await tls.ReadExactlyAsync(new byte[1]);
        }
        catch (Exception e) when (e is IOException or System.Security.Authentication.AuthenticationException)
        {
            // The client hangs up.
        }

        return (name, Encoding.Latin1.GetString(peek, 0, length));
    }

    [Fact]
    public async Task Send_FaultsAndMirrors_TheCalleeGetsTheRestAndTheMirrorItsCopies()
    {
        const int Calls = 400;
        var copies = new ConcurrentQueue<string>();
        var served = 0;
        await using var server = await KestrelServer.StartAsync(async context =>
        {
            Interlocked.Increment(ref served);
            using var reader = new StreamReader(context.Request.Body);
            await context.Response.WriteAsync($"{context.Request.Host} {await reader.ReadToEndAsync()}");
        });
        await using var shadow = await KestrelServer.StartAsync(async context =>
        {
            using var reader = new StreamReader(context.Request.Body);
            copies.Enqueue($"{context.Request.Host} {context.Request.Headers["x-mesh-shadow"]} {await reader.ReadToEndAsync()}");
            context.Response.StatusCode = copies.Count % 2 == 0 ? 200 : 500;
            await context.Response.WriteAsync(new string('x', 10_000));
        });
        await using var mesh = await TestMesh.StartAsync(
            $$"""
            "Services": {
              "reviews": { "Endpoints": [ { "Address": "{{server.Address}}" } ] },
              "shadow": { "Endpoints": [ { "Address": "{{shadow.Address}}" } ] } },
            "Routes": { "reviews": [ {
              "Route": [ {} ],
              "Fault": { "Abort": { "Percentage": 25, "HttpStatus": 503 }, "Delay": { "Percentage": 10, "FixedDelay": "1ms" } },
              "Mirror": { "Host": "shadow" } } ] }
            """,
            sockets: true);
        var mirrors = mesh.Services.GetRequiredService<MirrorSender>();

        var (ok, aborted) = (0, 0);
        for (var i = 0; i < Calls; i++)
        {
            using var response = await mesh.Http.PostAsync("http://reviews/", new StringContent($"{i}"), TestContext.Current.CancellationToken);
            if (response.IsSuccessStatusCode)
            {
                ok++;
                Assert.Equal($"reviews {i}", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
            }
            else
            {
                aborted++;
                Assert.Contains("abort", response.Headers.GetValues("x-mesh-fault").Single(), StringComparison.Ordinal);
            }
        }

        while (mirrors.Active > 0)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, TestContext.Current.CancellationToken);
        }

        Assert.Equal(ok, served);
        Assert.InRange(aborted / (double)Calls, 0.12, 0.38);
        Assert.Equal(ok, copies.Count);
        Assert.All(copies, static copy => Assert.StartsWith("reviews-shadow true ", copy, StringComparison.Ordinal));
        Assert.Equal(0, mesh.InFlight);
    }

    private static Task<TestMesh> Mesh(params string[] addresses) => TestMesh.StartAsync(
        $$"""
        "Services": { "reviews": { "Endpoints": [ {{string.Join(", ", addresses.Select(static a => $$"""{ "Address": "{{a}}" }"""))}} ] } }
        """,
        sockets: true);

    /// <summary>A port that refuses.</summary>
    private static string Dead()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return $"http://{listener.LocalEndpoint}";
    }
}
