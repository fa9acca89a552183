using System.Net;
using System.Net.Sockets;
using Mesh.Client.Pipeline;
using Mesh.Client.Telemetry;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Runtime.Resilience;
using Mesh.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;

namespace Mesh.Client.Tests.Security;

/// <summary>Calls by mTLS with the certificates of the mesh, over real connections.</summary>
public sealed class MeshModeTests
{
    private const string Mesh = """{ "Mode": "MESH" }""";
    private readonly TestAuthority _authority = new();

    [Theory]
    [InlineData("1.1", HttpVersionPolicy.RequestVersionExact, "http", "HTTP/1.1")]
    [InlineData("1.1", HttpVersionPolicy.RequestVersionOrLower, "http", "HTTP/1.1")]
    [InlineData("1.1", HttpVersionPolicy.RequestVersionOrHigher, "http", "HTTP/1.1")]
    [InlineData("2.0", HttpVersionPolicy.RequestVersionOrLower, "http", "HTTP/1.1")]
    [InlineData("2.0", HttpVersionPolicy.RequestVersionExact, "http", "HTTP/2")]
    [InlineData("2.0", HttpVersionPolicy.RequestVersionOrHigher, "http", "HTTP/2")]
    [InlineData("1.1", HttpVersionPolicy.RequestVersionExact, "https", "HTTP/1.1")]
    [InlineData("1.1", HttpVersionPolicy.RequestVersionOrHigher, "https", "HTTP/2")]
    [InlineData("2.0", HttpVersionPolicy.RequestVersionOrLower, "https", "HTTP/2")]
    [InlineData("2.0", HttpVersionPolicy.RequestVersionExact, "https", "HTTP/2")]
    public async Task Send_ByRule_ShowsTheIdentityByTheProtocolOfTheRequest(string version, HttpVersionPolicy policy, string scheme, string protocol)
    {
        await using var server = await MtlsServer.StartAsync(_authority.Set("reviews"));
        await using var mesh = await SecuredMesh.StartAsync(server.Address, new TestCertificateSource(_authority.Set("caller")), Mesh);

        var answer = await mesh.GetAsync(version, policy, $"{scheme}://reviews/");

        // Kestrel tells HTTP/1.1's scheme by the connection.
        Assert.StartsWith($"{_authority.Id("caller")} {protocol} ", answer, StringComparison.Ordinal);
        Assert.Equal("reviews.default.svc.cluster.local", Assert.Single(server.Names));
    }

    [Theory]
    [InlineData(true, true, null, true)]
    [InlineData(true, false, null, false)]
    [InlineData(false, true, null, false)]
    [InlineData(true, true, """{ "Mode": "DISABLE" }""", false)]
    [InlineData(false, false, Mesh, true)]
    public async Task Send_AutoMtls_IsUsedWhereTheEndpointSpeaksItAndNoRuleSaysOtherwise(bool speaksMtls, bool autoMtls, string? rule, bool isSecured)
    {
        await using var server = await MtlsServer.StartAsync(_authority.Set("reviews"), isPermissive: true);
        await using var mesh = await SecuredMesh.StartAsync(
            server.Address, new TestCertificateSource(_authority.Set("caller")), rule, speaksMtls,
            security: autoMtls ? "" : """ "AutoMtls": false """);

        var answer = await mesh.GetAsync();

        Assert.StartsWith(isSecured ? _authority.Id("caller").ToString() : "nobody", answer, StringComparison.Ordinal);
        Assert.All(server.FirstBytes, first => Assert.Equal(isSecured, first == 0x16));
    }

    [Fact]
    public async Task Send_NoIdentity_AutoMtlsMeansNothing()
    {
        await using var server = await MtlsServer.StartAsync(_authority.Set("reviews"), isPermissive: true);
        await using var mesh = await SecuredMesh.StartAsync(server.Address, source: null, speaksMtls: true);

        Assert.StartsWith("nobody HTTP/1.1 http ", await mesh.GetAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false, "needs certificates: set Mesh:Security:Certificates:Source", "no-certificate-source")]
    [InlineData(true, "this process has no certificate yet", "no-own-certificate")]
    public async Task Send_NothingToShow_FailsUnsentAndNeverInPlaintext(bool hasSource, string problem, string reason)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        await using var mesh = await SecuredMesh.StartAsync(
            $"http://{listener.LocalEndpoint}", hasSource ? new TestCertificateSource() : null, Mesh, outbound: FirstView);
        using var handshakes = Handshakes(mesh);

        var error = await Assert.ThrowsAsync<HttpRequestException>(() => mesh.GetAsync());

        Assert.Contains(problem, error.Message, StringComparison.Ordinal);
        Assert.Equal(HttpRequestError.SecureConnectionError, error.HttpRequestError);
        Assert.Equal(AttemptFailure.Unsent, AttemptFailures.Classify(error, hasExpired: false, CancellationToken.None));
        Assert.False(listener.Pending());
        var handshake = Assert.Single(handshakes.GetMeasurementSnapshot());
        Assert.Equal("refused", handshake.Tags["mesh.result"]);
        Assert.Equal(reason, handshake.Tags["mesh.reason"]);
        Assert.Equal("reviews.default", handshake.Tags["mesh.service"]);
    }

    [Fact]
    public async Task Send_CertificatesComeLate_CallsFailUntilThen()
    {
        await using var server = await MtlsServer.StartAsync(_authority.Set("reviews"));
        var source = new TestCertificateSource();
        await using var mesh = await SecuredMesh.StartAsync(server.Address, source, speaksMtls: true, outbound: FirstView);
        await Assert.ThrowsAsync<HttpRequestException>(() => mesh.GetAsync());

        mesh.Rotate(source, _authority.Set("caller"));

        Assert.StartsWith(_authority.Id("caller").ToString(), await mesh.GetAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Send_AtARawSocket_TheFirstBytesAreAHandshake()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        await using var mesh = await SecuredMesh.StartAsync(
            $"http://{listener.LocalEndpoint}", new TestCertificateSource(_authority.Set("caller")), Mesh);
        var call = mesh.GetAsync();
        using var socket = await listener.AcceptSocketAsync(TestContext.Current.CancellationToken);
        var bytes = new byte[4096];

        var length = await socket.ReceiveAsync(bytes, TestContext.Current.CancellationToken);
        socket.Close();

        // A record of the type handshake, of TLS, with a client's hello.
        Assert.Equal([0x16, 0x03], bytes[..2]);
        Assert.Equal(0x01, bytes[5]);
        Assert.True(bytes.AsSpan(0, length).IndexOf("GET "u8) < 0);
        await Assert.ThrowsAsync<HttpRequestException>(() => call);
    }

    [Fact]
    public async Task Send_ToASidecarOfConsul_OffersNoProtocols()
    {
        var plan = await Task.Run(static () => PlanOf(isProxy: true));

        Assert.False(plan.Negotiates);
        Assert.True(PlanOf(isProxy: false).Negotiates);
    }

    [Fact]
    public async Task Send_CalleeNegotiatesNothing_Http1AndHttp2Work()
    {
        await using var server = await MtlsServer.StartAsync(_authority.Set("reviews"), negotiates: false);
        await using var mesh = await SecuredMesh.StartAsync(server.Address, new TestCertificateSource(_authority.Set("caller")), Mesh);

        Assert.Contains(" HTTP/1.1 ", await mesh.GetAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Send_EndpointBeginsToSpeakMtlsUnderLoad_NoRequestFails()
    {
        await using var server = await MtlsServer.StartAsync(_authority.Set("reviews"), isPermissive: true);
        var endpoint = new Discovery.Endpoint { Address = new Uri(server.Address) };
        var catalog = new ScriptedCatalog { First = [endpoint] };
        await using var mesh = await SecuredMesh.StartAsync(catalog, new TestCertificateSource(_authority.Set("caller")));
        var load = new Load(mesh, "1.1");
        await load.WaitForAsync(100);

        catalog.Observer.ServiceChanged(Discovery.ServiceName.Resolve("reviews", "default"), [endpoint with { SpeaksMtls = true }]);
        Assert.StartsWith(_authority.Id("caller").ToString(), await mesh.GetAsync(), StringComparison.Ordinal);
        await load.WaitForAsync(200);
        catalog.Observer.ServiceChanged(Discovery.ServiceName.Resolve("reviews", "default"), [endpoint]);
        Assert.StartsWith("nobody", await mesh.GetAsync(), StringComparison.Ordinal);
        await load.WaitForAsync(200);

        Assert.Empty(await load.StopAsync());
    }

    [Fact]
    public async Task Send_RuleAppears_HoldsFromTheNextRequestOn()
    {
        await using var server = await MtlsServer.StartAsync(_authority.Set("reviews"), isPermissive: true);
        var rules = new ReloadableRules();
        await using var mesh = await SecuredMesh.StartAsync(
            server.Address, new TestCertificateSource(_authority.Set("caller")), build: builder => builder.Configuration.Sources.Add(rules));
        Assert.StartsWith("nobody", await mesh.GetAsync(), StringComparison.Ordinal);

        rules.Change(
            mesh, () => mesh.Runtime.Current.Find("reviews")!.Endpoints[0].Tls is { Mode: TlsMode.Mesh }, ("Destinations:reviews:Tls:Mode", "MESH"));

        Assert.StartsWith(_authority.Id("caller").ToString(), await mesh.GetAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Mesh, "http")]
    [InlineData(Mesh, "https")]
    [InlineData("""{ "Mode": "SIMPLE" }""", "http")]
    public async Task Send_PastTheMeshsConnections_IsRefusedWhereARuleWantsTls(string tls, string scheme)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        await using var mesh = await TestMesh.StartAsync(
            $$"""
            "Destinations": { "localhost.test.example": { "LoadBalancer": { "Simple": "PASSTHROUGH" }, "Tls": {{tls}} } },
            "Services": { "localhost.test.example": { "Endpoints": [ { "Address": "http://{{listener.LocalEndpoint}}" } ] } }
            """,
            sockets: true);

        var error = await Assert.ThrowsAsync<HttpRequestException>(() => mesh.GetAsync(url: $"{scheme}://localhost.test.example/"));

        Assert.Contains("nothing was sent", error.Message, StringComparison.Ordinal);
        Assert.Contains(mesh.Runtime.Issues, static issue => issue.Message.Contains("tls has no effect with PASSTHROUGH", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Probe_IsSecuredAsCallsAre()
    {
        await using var server = await MtlsServer.StartAsync(_authority.Set("reviews"));
        await using var mesh = await SecuredMesh.StartAsync(server.Address, new TestCertificateSource(_authority.Set("caller")), Mesh);
        var prober = mesh.Services.GetRequiredService<IEndpointProber>();
        var endpoint = mesh.Runtime.Current.Find("reviews")!.Endpoints[0];

        Assert.Null(await prober.ProbeAsync(endpoint, new HealthCheckConfig(), TestContext.Current.CancellationToken));

        server.Shows = _authority.Set("ratings");
        var problem = await prober.ProbeAsync(endpoint, new HealthCheckConfig(), TestContext.Current.CancellationToken);
        Assert.Contains("ratings answered", problem, StringComparison.Ordinal);
    }

    private const string FirstView = """ "Outbound": { "FirstViewTimeout": "10ms", "RetryAttempts": 0 } """;

    private static MetricCollector<long> Handshakes(TestMesh mesh) => new(
        mesh.Services.GetRequiredService<System.Diagnostics.Metrics.IMeterFactory>(), MeshClientTelemetry.Name, "mesh.client.tls.handshakes");

    private static Client.Security.TlsPlan PlanOf(bool isProxy)
    {
        var authority = new TestAuthority();
        using var parts = new TransportParts(new TestCertificateSource(authority.Set("caller")));
        Assert.True(SpinWait.SpinUntil(() => parts.Certificates.Current is not null, TimeSpan.FromSeconds(30)));
        var endpoint = new Discovery.Endpoint
        {
            Address = new Uri("http://10.0.0.1:20000"),
            SpeaksMtls = true,
            Consul = new Discovery.Consul.ConsulInstance
            {
                Id = "web-1", Service = "web", IsProxy = isProxy, Node = new Discovery.Consul.ConsulNode("n", "", "", "dc1", Discovery.Labels.Empty),
            },
        };
        var state = new EndpointState(new Discovery.ServiceName("web", "default"), endpoint);
        return Client.Security.TlsPlan.Of(state, TlsMode.Mesh, new Discovery.SecurityOptions(), parts.Certificates)!;
    }
}
