using System.Diagnostics.Metrics;
using System.Security.Cryptography.X509Certificates;
using Mesh.Client.Telemetry;
using Mesh.Discovery.Security;
using Mesh.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;

namespace Mesh.Client.Tests.Security;

/// <summary>Who answers must be who was called.</summary>
public sealed class PeerTests
{
    private const string Mesh = """{ "Mode": "MESH" }""";
    private readonly TestAuthority _authority = new();

    public static TheoryData<string, string, string> Refused => new()
    {
        { "wrong service", "wrong-service", "spiffe://cluster.local/ns/default/sa/ratings answered" },
        { "wrong namespace", "wrong-service", "spiffe://cluster.local/ns/prod/sa/reviews answered" },
        { "wrong trust domain", "unknown-authority", "spiffe://evil.example/ns/default/sa/reviews was not issued by a known authority" },
        { "known other trust domain", "wrong-service", "spiffe://partner.example/ns/default/sa/reviews answered" },
        { "foreign root, own domain", "unknown-authority", "spiffe://cluster.local/ns/default/sa/reviews was not issued by a known authority" },
        { "root of another domain", "wrong-trust-domain", "is not one of the trust domain cluster.local" },
        { "self-signed", "unknown-authority", "is self-signed" },
        { "expired", "expired", "has expired at" },
        { "not yet valid", "not-yet-valid", "is not valid before" },
        { "client only", "wrong-usage", "is not for this use of TLS" },
        { "two URIs", "no-identity", "has more than one URI" },
        { "no URI", "no-identity", "has no SPIFFE ID" },
        { "missing intermediate", "unknown-authority", "or an intermediate is missing" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task Send_SomebodyElseAnswers_IsRefusedAndSaysWho(string who, string reason, string message)
    {
        var partner = new TestAuthority("partner.example");
        var reviews = _authority.Id("reviews").ToString();
        var (set, leaf) = Answering(who, partner, reviews);
        await using var server = await MtlsServer.StartAsync(set, leaf: leaf);
        await using var mesh = await SecuredMesh.StartAsync(
            server.Address, new TestCertificateSource(_authority.Set("caller", bundles: [_authority.Bundle, partner.Bundle])), Mesh);
        using var handshakes = new MetricCollector<long>(
            mesh.Services.GetRequiredService<IMeterFactory>(), MeshClientTelemetry.Name, "mesh.client.tls.handshakes");

        var error = await Assert.ThrowsAsync<HttpRequestException>(() => mesh.GetAsync());
        await Assert.ThrowsAsync<HttpRequestException>(() => mesh.GetAsync());

        Assert.Equal(HttpRequestError.SecureConnectionError, error.HttpRequestError);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Contains($" is not reviews.default: ", error.Message, StringComparison.Ordinal);
        Assert.Contains($"expected was {reviews}", error.Message, StringComparison.Ordinal);
        Assert.Equal(2, handshakes.GetMeasurementSnapshot().Count);
        Assert.All(handshakes.GetMeasurementSnapshot(), m => Assert.Equal(reason, m.Tags["mesh.reason"]));
        Assert.Equal(1, mesh.Logs.GetSnapshot().Count(static record => record.Id.Id == 206));
    }

    [Theory]
    [InlineData("reviews", null, null)]
    [InlineData("other", "spiffe://cluster.local/ns/default/sa/other", null)]
    [InlineData("other", "SPIFFE://Cluster.Local/ns/default/sa/other", null)]
    [InlineData("other", "reviews.internal.example", null)]
    [InlineData("other", "*.wild.example", null)]
    [InlineData("other", "a.wild.example", null)]
    [InlineData("other", "127.0.0.9", "expected was 127.0.0.9")]
    [InlineData("other", "wild.example", "expected was wild.example")]
    [InlineData("other", "spiffe://cluster.local/ns/default/sa/Other", "sa/other answered")]
    [InlineData("reviews", "spiffe://cluster.local/ns/default/sa/other", "sa/reviews answered")]
    public async Task Send_SubjectAltNames_DecideWhoMayAnswer(string who, string? name, string? problem)
    {
        var leaf = _authority.Leaf([_authority.Id(who).ToString()], dnsNames: ["reviews.internal.example", "*.wild.example"]);
        await using var server = await MtlsServer.StartAsync(_authority.Set(who), leaf: leaf);
        await using var mesh = await SecuredMesh.StartAsync(
            server.Address, new TestCertificateSource(_authority.Set("caller")),
            name is null ? Mesh : $$"""{ "Mode": "MESH", "SubjectAltNames": [ "{{name}}", "spiffe://cluster.local/ns/x/sa/y" ] }""");

        if (problem is null)
        {
            Assert.StartsWith(_authority.Id("caller").ToString(), await mesh.GetAsync(), StringComparison.Ordinal);
        }
        else
        {
            var error = await Assert.ThrowsAsync<HttpRequestException>(() => mesh.GetAsync());
            Assert.Contains(problem, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Send_TrustDomainAlias_IsAnotherNameOfTheServices()
    {
        var old = new TestAuthority("old.example");
        await using var server = await MtlsServer.StartAsync(
            old.Set("reviews", bundles: [_authority.Bundle, old.Bundle]));
        await using var mesh = await SecuredMesh.StartAsync(
            server.Address, new TestCertificateSource(_authority.Set("caller", bundles: [_authority.Bundle, old.Bundle])), Mesh,
            security: """ "TrustDomainAliases": [ "old.example" ] """);

        Assert.StartsWith(_authority.Id("caller").ToString(), await mesh.GetAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Send_HostOutsideTheMesh_NeedsSubjectAltNames()
    {
        await using var server = await MtlsServer.StartAsync(_authority.Set("partner"));
        await using var mesh = await SecuredMesh.StartAsync(
            server.Address, new TestCertificateSource(_authority.Set("caller")), Mesh, service: "api.partner.example");

        var error = await Assert.ThrowsAsync<HttpRequestException>(() => mesh.GetAsync(url: "http://api.partner.example/"));

        Assert.Contains("it is not known who api.partner.example is: name its identities in subjectAltNames", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("reviews", "dc1", true)]
    [InlineData("reviews", "dc2", false)]
    [InlineData("ratings", "dc1", false)]
    public async Task Send_IdentityOfConsul_ExpectsTheServiceInItsDatacenter(string service, string datacenter, bool isRight)
    {
        const string Domain = "11111111-2222-3333-4444-555555555555.consul";
        var authority = new TestAuthority(Domain);
        CertificateSet Set(string name, string dc) => new(authority.Leaf([$"spiffe://{Domain}/ns/default/dc/{dc}/svc/{name}"]), [], [authority.Bundle]);
        await using var server = await MtlsServer.StartAsync(Set(service, datacenter));
        await using var mesh = await SecuredMesh.StartAsync(server.Address, new TestCertificateSource(Set("caller", "dc1")), Mesh);

        if (isRight)
        {
            Assert.StartsWith($"spiffe://{Domain}/ns/default/dc/dc1/svc/caller", await mesh.GetAsync(), StringComparison.Ordinal);
        }
        else
        {
            var error = await Assert.ThrowsAsync<HttpRequestException>(() => mesh.GetAsync());
            Assert.Contains($"expected was spiffe://{Domain}/ns/default/dc/dc1/svc/reviews", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Send_OneOfTwoEndpointsIsSomebodyElse_TheOtherAnswers()
    {
        await using var good = await MtlsServer.StartAsync(_authority.Set("reviews"));
        await using var evil = await MtlsServer.StartAsync(_authority.Set("evil"));
        var catalog = new ScriptedCatalog
        {
            First = [.. new[] { good, evil }.Select(static server => new Discovery.Endpoint { Address = new Uri(server.Address), SpeaksMtls = true })],
        };
        await using var mesh = await SecuredMesh.StartAsync(catalog, new TestCertificateSource(_authority.Set("caller")), """ "Outbound": { "RetryAttempts": 2 } """);

        for (var i = 0; i < 10; i++)
        {
            using var response = await mesh.Http.PostAsync("http://reviews/", new StringContent("body"), TestContext.Current.CancellationToken);
            Assert.True(response.IsSuccessStatusCode);
        }
    }

    private (CertificateSet Set, X509Certificate2? Leaf) Answering(string who, TestAuthority partner, string reviews)
    {
        var good = _authority.Set("reviews");
        return who switch
        {
            "wrong service" => (_authority.Set("ratings"), null),
            "wrong namespace" => (_authority.Set("reviews", "prod"), null),
            "wrong trust domain" => (new TestAuthority("evil.example").Set("reviews"), null),
            "known other trust domain" => (partner.Set("reviews"), null),
            "foreign root, own domain" => (new TestAuthority().Set("reviews"), null),
            "root of another domain" => (good, partner.Leaf([reviews])),
            "self-signed" => (good, TestAuthority.SelfSigned(reviews)),
            "expired" => (good, _authority.Leaf([reviews], notBefore: TimeSpan.FromHours(-2), lifetime: TimeSpan.FromHours(-1))),
            "not yet valid" => (good, _authority.Leaf([reviews], notBefore: TimeSpan.FromHours(1), lifetime: TimeSpan.FromHours(2))),
            "client only" => (good, _authority.Leaf([reviews], isServer: false)),
            "two URIs" => (good, _authority.Leaf([reviews, "spiffe://cluster.local/ns/default/sa/ratings"])),
            "no URI" => (good, _authority.Leaf([], dnsNames: ["reviews.default.svc.cluster.local"])),
            "missing intermediate" => (good, _authority.CreateIntermediate().Leaf([reviews])),
            _ => throw new ArgumentOutOfRangeException(nameof(who), who, null),
        };
    }
}
