using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Mesh.Discovery;
using Mesh.Discovery.Security;
using Mesh.Server.Security;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;

namespace Mesh.Server.Tests.Security;

/// <summary>A meshed application on real Kestrel with certificates of a test's authority, and clients for it. Its clock is the test's.</summary>
internal sealed class SecureApp : IAsyncDisposable
{
    public static readonly DateTimeOffset Start = new(2030, 1, 2, 3, 4, 5, TimeSpan.Zero);

    private readonly List<IDisposable> _clients = [];

    private readonly string _directory;

    private SecureApp(MeshApp mesh, TestAuthority authority, TestCertificateSource source, string directory)
    {
        Mesh = mesh;
        Authority = authority;
        Source = source;
        _directory = directory;
    }

    public MeshApp Mesh { get; }
    public TestAuthority Authority { get; }
    public TestCertificateSource Source { get; }
    public int Port => new Uri(Mesh.App.Urls.First()).Port;
    public MeshCertificates Certificates => Mesh.App.Services.GetRequiredService<MeshCertificates>();
    public ConnectionRegister Register => Mesh.App.Services.GetRequiredService<ConnectionRegister>();
    public TaskCompletionSource Arrived { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    public TaskCompletionSource Gate { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private MetricCollector<long> Handshakes { get; set; } = null!;

    public static async Task<SecureApp> StartAsync(
        MtlsMode? mode = null,
        Action<MeshOptions>? configure = null,
        Action<WebApplicationBuilder>? build = null,
        TestAuthority? authority = null,
        string urls = "http://127.0.0.1:0",
        CertificateSet? set = null,
        bool hasCertificate = true,
        FakeCatalog? catalog = null,
        Action<WebApplicationBuilder>? afterMesh = null)
    {
        authority ??= new TestAuthority(now: Start);
        var source = new TestCertificateSource(hasCertificate ? set ?? authority.Set("reviews", "prod") : null);
        var directory = Directory.CreateTempSubdirectory("mesh-test-").FullName;
        var mesh = await MeshApp.StartAsync(
            options =>
            {
                options.Security.Certificates.Source = TestCertificateSource.SourceName;
                options.Security.Mode = mode;
                options.Config.Files.Add(Path.Combine(directory, "*.yaml"));
                options.Outbound.FirstViewTimeout = hasCertificate ? TimeSpan.FromMinutes(1) : TimeSpan.Zero;
                configure?.Invoke(options);
            },
            builder =>
            {
                builder.Services.AddSingleton<ICertificateSource>(source);
                build?.Invoke(builder);
            },
            catalog,
            urls,
            afterMesh);
        var app = new SecureApp(mesh, authority, source, directory)
        {
            Handshakes = new MetricCollector<long>(mesh.App.Services.GetRequiredService<IMeterFactory>(), "Mesh.Server", "mesh.server.tls.handshakes"),
        };
        app.MapEndpoints();
        return app;
    }

    /// <summary>Who called, as <c>/who</c> tells it.</summary>
    public sealed record Who(string? Peer, string? Gateway, bool IsHttps, string Protocol, bool HasCertificate, bool HasTls, string? Xfcc, bool IsUser);

    public X509Certificate2 GoodLeaf(string service = "productpage") => Authority.Leaf([Authority.Id(service, "prod").ToString()]);

    public HttpClient PlainClient(int? port = null) => Client(null, port: port);

    /// <summary>A client of the mesh's kind: addresses are http, connections are TLS.</summary>
    public HttpClient TlsClient(X509Certificate2? leaf, IReadOnlyList<X509Certificate2>? intermediates = null, Version? version = null, int? port = null, int connections = int.MaxValue) =>
        Client(new SslClientAuthenticationOptions { ClientCertificateContext = leaf is null ? null : Context(leaf, intermediates) }, version, port, connections);

    public static SslStreamCertificateContext Context(X509Certificate2 leaf, IReadOnlyList<X509Certificate2>? intermediates = null) =>
        SslStreamCertificateContext.Create(leaf, [.. intermediates ?? []], offline: true);

    public async Task<Who> WhoAsync(HttpClient client, Action<HttpRequestMessage>? change = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/who") { Version = client.DefaultRequestVersion, VersionPolicy = client.DefaultVersionPolicy };
        change?.Invoke(request);
        using var response = await client.SendAsync(request);
        response.EnsureSuccessStatusCode();
        return System.Text.Json.JsonSerializer.Deserialize<Who>(await response.Content.ReadAsStringAsync(), System.Text.Json.JsonSerializerOptions.Web)!;
    }

    public async Task<Socket> ConnectAsync(int? port = null)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, port ?? Port);
        return socket;
    }

    /// <summary>An open mTLS connection; reads and writes are the test's.</summary>
    public async Task<SslStream> ConnectTlsAsync(X509Certificate2? leaf = null, params SslApplicationProtocol[] protocols)
    {
        var stream = new SslStream(new NetworkStream(await ConnectAsync(), ownsSocket: true));
        await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "reviews",
            ClientCertificateContext = Context(leaf ?? GoodLeaf()),
            ApplicationProtocols = [.. protocols],
            RemoteCertificateValidationCallback = static (_, _, _, _) => true,
        });
        return stream;
    }

    /// <summary>How often handshakes had this result, and reason.</summary>
    public int Count(string result, string? reason = null) => Handshakes.GetMeasurementSnapshot().Count(one =>
        Equals(one.Tags["mesh.result"], result) && (reason is null || Equals(one.Tags["mesh.reason"], reason)));

    public async Task Until(Func<bool> condition)
    {
        while (!condition())
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Changes a rule, and waits until it holds.</summary>
    public async Task SetModeAsync(MtlsMode mode)
    {
        await File.WriteAllTextAsync(Path.Combine(_directory, "mode.yaml"), $$"""
            apiVersion: security.istio.io/v1
            kind: PeerAuthentication
            metadata: { name: default, namespace: prod }
            spec: { mtls: { mode: {{mode.ToString().ToUpperInvariant()}} } }
            """);
        var modes = Mesh.App.Services.GetRequiredService<PortModes>();
        await Until(() =>
        {
            Mesh.Time.Advance(TimeSpan.FromMilliseconds(250));
            return modes.Of(Port) == mode;
        });
    }

    public async ValueTask DisposeAsync()
    {
        Gate.TrySetResult();
        _clients.ForEach(static client => client.Dispose());
        await Mesh.DisposeAsync();
        Handshakes.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    private HttpClient Client(SslClientAuthenticationOptions? tls, Version? version = null, int? port = null, int connections = int.MaxValue)
    {
        version ??= HttpVersion.Version11;
        var handler = new SocketsHttpHandler
        {
            MaxConnectionsPerServer = connections,
            ConnectCallback = async (context, cancel) =>
            {
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                try
                {
                    await socket.ConnectAsync(context.DnsEndPoint, cancel);
                    var stream = new NetworkStream(socket, ownsSocket: true);
                    if (tls is null)
                    {
                        return stream;
                    }

                    var secure = new SslStream(stream);
                    await secure.AuthenticateAsClientAsync(
                        new SslClientAuthenticationOptions
                        {
                            TargetHost = "reviews",
                            ClientCertificateContext = tls.ClientCertificateContext,
                            ApplicationProtocols = [version.Major == 2 ? SslApplicationProtocol.Http2 : SslApplicationProtocol.Http11],
                            RemoteCertificateValidationCallback = static (_, _, _, _) => true,
                        },
                        cancel);
                    return secure;
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            },
        };
        var client = new HttpClient(handler)
        {
            BaseAddress = new Uri($"http://127.0.0.1:{port ?? Port}"),
            DefaultRequestVersion = version,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        _clients.Add(client);
        return client;
    }

    private void MapEndpoints()
    {
        Mesh.App.MapGet("/who", (HttpContext context) => new Who(
            context.GetMeshPeer()?.Id.ToString(),
            context.GetMeshPeer()?.Gateway?.ToString(),
            context.Request.IsHttps,
            context.Request.Protocol,
            context.Connection.ClientCertificate is not null,
            context.Features.Get<ITlsHandshakeFeature>() is { Protocol: not 0 },
            context.Request.Headers.TryGetValue("X-Forwarded-Client-Cert", out var header) ? header.ToString() : null,
            context.User.Identity?.IsAuthenticated == true));
        Mesh.App.MapPost("/echo", async (HttpContext context) =>
        {
            if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
            {
                size.MaxRequestBodySize = null;
            }

            // Whole before the answer begins: the client does not read while it writes.
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            await context.Response.Body.WriteAsync(body.ToArray());
        });
        Mesh.App.MapGet("/held", async (HttpContext context) =>
        {
            await context.Response.Body.FlushAsync();
            Arrived.TrySetResult();
            await Gate.Task.WaitAsync(context.RequestAborted);
            await context.Response.WriteAsync("late");
        });
    }
}
