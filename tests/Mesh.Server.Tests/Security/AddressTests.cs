using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Mesh.Discovery;
using Mesh.Server.Security;
using Mesh.Testing;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Server.Tests.Security;

/// <summary>Wherever an address comes from, the mesh's TLS is there, unless the application has its own.</summary>
public sealed class AddressTests
{
    [Theory]
    [InlineData("urls")]
    [InlineData("endpoints")]
    [InlineData("code")]
    [InlineData("kestrel added again")]
    [InlineData("sockets added again")]
    [InlineData("any address")]
    public async Task Address_FromAnywhere_IsGuardedAndStaysHttp(string origin)
    {
        var port = ModeTests.FreePort();
        await using var app = await SecureApp.StartAsync(
            MtlsMode.Strict,
            build: builder =>
            {
                switch (origin)
                {
                    case "endpoints":
                        builder.Configuration.AddInMemoryCollection([new("Kestrel:Endpoints:Main:Url", $"http://127.0.0.1:{port}")]);
                        break;
                    case "code":
                        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port));
                        break;
                    case "kestrel added again":
                        builder.WebHost.UseKestrel(kestrel => kestrel.ListenLocalhost(port));
                        break;
                }
            },
            urls: origin == "any address" ? $"http://*:{port}" : $"http://127.0.0.1:{port}",
            afterMesh: builder => _ = origin == "sockets added again" ? builder.WebHost.UseSockets() : null);

        Assert.StartsWith("http://", Assert.Single(app.Mesh.App.Urls), StringComparison.Ordinal);
        Assert.NotNull((await app.WhoAsync(app.TlsClient(app.GoodLeaf(), port: port))).Peer);
        await Assert.ThrowsAsync<HttpRequestException>(() => app.PlainClient(port).GetAsync("/who"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task OwnHttps_BesideThePortsOfTheMesh_IsLeftAlone(bool inCode)
    {
        using var own = TestAuthority.SelfSigned("https://shop.example");
        var (https, http) = (ModeTests.FreePort(), ModeTests.FreePort());
        await using var app = await SecureApp.StartAsync(
            MtlsMode.Strict,
            build: builder => builder.WebHost.ConfigureKestrel(kestrel =>
            {
                if (inCode)
                {
                    kestrel.Listen(IPAddress.Loopback, https, listen => listen.UseHttps(own));
                    kestrel.Listen(IPAddress.Loopback, http);
                }
                else
                {
                    kestrel.ConfigureHttpsDefaults(options => options.ServerCertificate = own);
                }
            }),
            urls: $"https://127.0.0.1:{https};http://127.0.0.1:{http}");
        X509Certificate? shown = null;
        using var client = new HttpClient(new SocketsHttpHandler
        {
            SslOptions = new SslClientAuthenticationOptions
            {
                RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                {
                    shown = X509CertificateLoader.LoadCertificate(certificate!.GetRawCertData());
                    return true;
                },
            },
        });

        var answer = await client.GetStringAsync($"https://127.0.0.1:{https}/who");

        Assert.Contains("\"peer\":null", answer, StringComparison.Ordinal);
        Assert.Equal(own.GetCertHashString(), shown!.GetCertHashString());
        Assert.NotNull((await app.WhoAsync(app.TlsClient(app.GoodLeaf(), port: http))).Peer);
        await Assert.ThrowsAsync<HttpRequestException>(() => app.PlainClient(http).GetAsync("/who"));
    }

    [Fact]
    public async Task UnixSocket_Strict_IsNoPortAndPassesThrough()
    {
        var path = Path.Combine(Path.GetTempPath(), $"mesh-{Guid.NewGuid():n}.sock");
        await using var app = await SecureApp.StartAsync(
            MtlsMode.Strict, build: builder => builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenUnixSocket(path)));
        using var client = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancel) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancel);
                return new NetworkStream(socket, ownsSocket: true);
            },
        });

        Assert.Contains("\"peer\":null", await client.GetStringAsync("http://x/who"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task OwnTransport_RegisteredAfterTheMesh_StrictPortIsStillRefused()
    {
        await using var app = await SecureApp.StartAsync(
            MtlsMode.Strict, afterMesh: static builder => builder.Services.AddSingleton<IConnectionListenerFactory, SocketTransportFactory>());

        var response = await app.PlainClient().GetAsync("/who");

        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
    }

    [Fact]
    public async Task OwnTransport_RegisteredBeforeTheMesh_IsWhatTheMeshListensThrough()
    {
        CountingFactory? counting = null;
        await using var app = await SecureApp.StartAsync(
            MtlsMode.Strict,
            build: builder => builder.Services.AddSingleton<IConnectionListenerFactory>(
                provider => counting = new CountingFactory(ActivatorUtilities.CreateInstance<SocketTransportFactory>(provider))));

        Assert.NotNull((await app.WhoAsync(app.TlsClient(app.GoodLeaf()))).Peer);
        Assert.Equal(1, counting!.Bound);
    }

    [Fact]
    public async Task NoCertificates_Anything_IsAsWithoutTheMesh()
    {
        await using var mesh = await MeshApp.StartAsync();

        Assert.Equal("hello", await mesh.Client.GetStringAsync("/"));
        Assert.All(
            mesh.App.Services.GetServices<IConnectionListenerFactory>().OfType<MeshTransportFactory>(),
            static factory => Assert.False(factory.CanBind(new IPEndPoint(IPAddress.Loopback, 0))));
        Assert.False(mesh.App.Services.GetRequiredService<Microsoft.Extensions.Options.IOptions<KestrelServerOptions>>().Value.AllowAlternateSchemes);
    }

    [Theory]
    [InlineData("Kestrel:EndpointDefaults:Protocols", "Http1", "HTTP/1.1")]
    [InlineData("Kestrel:EndpointDefaults:Protocols", "Http1AndHttp2", "HTTP/2")]
    [InlineData("Kestrel:EndpointDefaults:Protocols", "Http2", "HTTP/2")]
    public async Task Protocols_OfTheConfiguration_AreWhatIsOffered(string key, string value, string spoken)
    {
        await using var app = await SecureApp.StartAsync(build: builder => builder.Configuration.AddInMemoryCollection([new(key, value)]));
        using var client = new HttpClient(new SocketsHttpHandler
        {
            SslOptions = new SslClientAuthenticationOptions
            {
                ClientCertificateContext = SecureApp.Context(app.GoodLeaf()),
                RemoteCertificateValidationCallback = static (_, _, _, _) => true,
            },
        })
        {
            DefaultRequestVersion = HttpVersion.Version20,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionOrLower,
            BaseAddress = new Uri($"https://127.0.0.1:{app.Port}"),
        };

        Assert.Equal(spoken, (await app.WhoAsync(client)).Protocol);
    }

    private sealed class CountingFactory(IConnectionListenerFactory inner) : IConnectionListenerFactory
    {
        public int Bound { get; private set; }

        public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
        {
            Bound++;
            return inner.BindAsync(endpoint, cancellationToken);
        }
    }
}
