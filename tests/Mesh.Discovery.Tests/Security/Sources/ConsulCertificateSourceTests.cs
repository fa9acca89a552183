using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using System.Threading.Channels;
using Mesh.Discovery.Consul;
using Mesh.Discovery.Security;
using Mesh.Discovery.Security.Sources;
using Mesh.Discovery.Tests.Consul;
using Mesh.Testing;

namespace Mesh.Discovery.Tests.Security.Sources;

public sealed class ConsulCertificateSourceTests : WatchFixture
{
    private const string TrustDomain = "11111111-2222-3333-4444-555555555555.consul";
    private const string RootsPath = "GET /v1/agent/connect/ca/roots";
    private const string LeafPath = "GET /v1/agent/connect/ca/leaf/web";

    private readonly Channel<CertificateSet> _published = Channel.CreateUnbounded<CertificateSet>();
    private readonly TestAuthority _first;
    private readonly TestAuthority _second;
    private readonly Dictionary<string, FakeConsul.Call> _calls = new(StringComparer.Ordinal);

    public ConsulCertificateSourceTests()
    {
        Time.SetUtcNow(new DateTimeOffset(2041, 5, 6, 7, 8, 9, TimeSpan.Zero));
        (_first, _second) = (new TestAuthority(TrustDomain, Time.GetUtcNow()), new TestAuthority(TrustDomain, Time.GetUtcNow()));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task WatchAsync_RootsAndCertificate_AreASetInAnyOrder(bool rootsFirst)
    {
        Start();
        var leaf = Leaf(_first.CreateIntermediate());
        var (one, other) = (Roots(_first), Body(leaf));
        (await CallAsync(rootsFirst ? RootsPath : LeafPath)).Ok(rootsFirst ? one : other, 5);
        await Time.PassAsync(50);
        Assert.False(_published.Reader.TryPeek(out _));
        (await CallAsync(rootsFirst ? LeafPath : RootsPath)).Ok(rootsFirst ? other : one, 6);

        var set = await NextAsync();

        Assert.Equal(leaf.Leaf.RawData, set.Leaf.RawData);
        Assert.True(set.Leaf.HasPrivateKey);
        Assert.Single(set.Intermediates);
        Assert.Equal(TrustDomain, Assert.Single(set.Bundles).TrustDomain);
        Assert.Empty(Logged);
        Assert.False(System.IO.Directory.Exists(Directory), "something was saved");
    }

    [Fact]
    public async Task WatchAsync_Requests_AskTheAgentsCacheAndBlock()
    {
        Start();
        await FirstAsync();
        await Time.PassAsync(50);

        Assert.Equal($"{RootsPath}?index=5&wait=60000ms", (await CallAsync(RootsPath)).Line);
        Assert.Equal($"{LeafPath}?index=6&wait=60000ms", (await CallAsync(LeafPath)).Line);
    }

    [Fact]
    public async Task WatchAsync_CachesThatKnowNoLeader_AreNoTrouble()
    {
        Start();
        Answer(await CallAsync(RootsPath), 200, Roots(_first), ("X-Consul-Index", "5"), ("X-Consul-KnownLeader", "false"));
        Answer(await CallAsync(LeafPath), 200, Body(Leaf(_first)), ("X-Consul-Index", "5"));

        await NextAsync();

        Assert.Null(Consul.Status.Error);
        Assert.Empty(Logged);
    }

    [Fact]
    public async Task WatchAsync_CachesThatAnswerWithoutServers_DoNotSayThatTheseAreBack()
    {
        Consul.Status.Gone(new ConsulException("No cluster leader"));
        Start();
        await FirstAsync();

        Assert.Equal("No cluster leader", Consul.Status.Error);
    }

    [Fact]
    public async Task WatchAsync_AgentThatIsBack_IsHeardByItsCacheToo()
    {
        Start();
        (await CallAsync(RootsPath)).Break();
        await UntilLoggedAsync(301);
        var leaf = await CallAsync(LeafPath);
        await Time.PassAsync(250);
        (await CallAsync(RootsPath)).Ok(Roots(_first), 5);
        leaf.Ok(Body(Leaf(_first)), 5);
        await NextAsync();

        Assert.Null(Consul.Status.Error);
        Assert.Equal([301, 302], Logged);
    }

    [Fact]
    public async Task WatchAsync_RootRotates_NewRootsAreTrustedBeforeThereIsANewCertificate()
    {
        Start();
        var old = await FirstAsync();
        await Time.PassAsync(50);
        (await CallAsync(RootsPath)).Ok(Roots(_first, _second), 7);
        var both = await NextAsync();
        Assert.Equal(old.Leaf.RawData, both.Leaf.RawData);
        Assert.Equal(2, both.Bundles[0].Roots.Count);

        (await CallAsync(LeafPath)).Ok(Body(Leaf(_second)), 8);

        var renewed = await NextAsync();
        Assert.NotEqual(old.Leaf.RawData, renewed.Leaf.RawData);
        Assert.Equal(2, renewed.Bundles[0].Roots.Count);
        Assert.Empty(Logged);
    }

    [Fact]
    public async Task WatchAsync_CertificateBeforeItsRoots_WaitsForThem()
    {
        Start();
        await FirstAsync();
        await Time.PassAsync(50);
        (await CallAsync(LeafPath)).Ok(Body(Leaf(_second)), 8);
        await UntilLoggedAsync(160);
        Assert.False(_published.Reader.TryPeek(out _));
        await Time.PassAsync(50);

        // It asks again soon, not in five minutes.
        Assert.Equal($"{LeafPath}?index=8&wait=1000ms", (await CallAsync(LeafPath)).Line);
        (await CallAsync(RootsPath)).Ok(Roots(_first, _second), 9);

        Assert.Equal(_second.Root.Subject, (await NextAsync()).Leaf.Issuer);
        Assert.Equal([160], Logged);
    }

    [Fact]
    public async Task WatchAsync_RootsThatFitTheOldCertificateOnly_AreTrustedAtOnce()
    {
        Start();
        var old = await FirstAsync();
        await Time.PassAsync(50);
        (await CallAsync(LeafPath)).Ok(Body(Leaf(new TestAuthority(TrustDomain, Time.GetUtcNow()))), 8);
        await UntilLoggedAsync(160);
        (await CallAsync(RootsPath)).Ok(Roots(_first, _second), 9);

        var set = await NextAsync();

        Assert.Equal(old.Leaf.RawData, set.Leaf.RawData);
        Assert.Equal(2, set.Bundles[0].Roots.Count);
    }

    [Theory]
    [InlineData("""{ "TrustDomain": "x.consul", "Roots": [] }""", "has no root certificate")]
    [InlineData("""{ "TrustDomain": "", "Roots": null }""", "is not a trust domain")]
    [InlineData("""{ "TrustDomain": "x.consul", "Roots": [ { "RootCert": "" } ] }""", "it holds no PEM certificate")]
    [InlineData("""{ }""", "is not a trust domain")]
    public async Task WatchAsync_RootsThatAreEmpty_AreNotApplied(string body, string problem)
    {
        Start();
        await FirstAsync();
        await Time.PassAsync(50);
        (await CallAsync(RootsPath)).Ok(body, 9);
        await UntilLoggedAsync(311);

        Assert.Contains(problem, Logger.LatestRecord.Message, StringComparison.Ordinal);
        Assert.False(_published.Reader.TryPeek(out _));
    }

    [Fact]
    public async Task WatchAsync_AnswerThatCannotBeRead_TellsNothingOfTheKey()
    {
        Start();
        var body = Body(Leaf(_first));
        (await CallAsync(LeafPath)).Ok(body[..^9], 5);
        await UntilLoggedAsync(311);
        (await CallAsync(RootsPath)).Ok(Roots(_first), 5);

        Assert.Contains("is not the JSON that was asked for", Logger.LatestRecord.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("BEGIN", Logger.LatestRecord.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WatchAsync_KeyOfAnotherCertificate_IsRefused()
    {
        Start();
        (await CallAsync(LeafPath)).Ok(Body(Leaf(_first), Leaf(_first).Leaf), 5);
        await UntilLoggedAsync(311);

        Assert.Contains(
            "The certificate that Consul at http://127.0.0.1:8500 answers for web cannot be used: the private key is not that of the certificate",
            Logger.LatestRecord.Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(403, "Permission denied", """needs the right service "web" { policy = "write" }""")]
    [InlineData(500, "Connect must be enabled in order to use this endpoint", "Set connect { enabled = true }")]
    public async Task WatchAsync_Refusals_SayWhatIsMissing(int status, string text, string told)
    {
        Start();
        (await CallAsync(LeafPath)).Refuse(status, text);
        await UntilLoggedAsync(311);

        Assert.Contains(told, Logger.LatestRecord.Message, StringComparison.Ordinal);
    }

    private void Start()
    {
        var source = new ConsulCertificateSource(Consul, "web");
        Run(stop => source.WatchAsync(set => _published.Writer.TryWrite(set), stop));
    }

    private async Task<CertificateSet> FirstAsync()
    {
        (await CallAsync(RootsPath)).Ok(Roots(_first), 5);
        (await CallAsync(LeafPath)).Ok(Body(Leaf(_first)), 6);
        return await NextAsync();
    }

    private async Task<CertificateSet> NextAsync() => await _published.Reader.ReadAsync(TestContext.Current.CancellationToken)
        .AsTask().WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);

    /// <summary>The next request of one of the two watches.</summary>
    private async Task<FakeConsul.Call> CallAsync(string start)
    {
        while (true)
        {
            if (_calls.Remove(start, out var waiting))
            {
                return waiting;
            }

            var call = await Agent.NextAsync();
            _calls[call.Line.StartsWith(RootsPath, StringComparison.Ordinal) ? RootsPath : LeafPath] = call;
        }
    }

    private async Task UntilLoggedAsync(int id)
    {
        while (!Logged.Contains(id))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, TestContext.Current.CancellationToken);
        }
    }

    private static CertificateSet Leaf(TestAuthority authority) => new(
        authority.Leaf([$"spiffe://{TrustDomain}/ns/default/dc/dc1/svc/web"]), authority.Intermediates, [authority.Bundle]);

    private static string Body(CertificateSet set, X509Certificate2? keyOf = null)
    {
        using var key = (keyOf ?? set.Leaf).GetECDsaPrivateKey();
        return JsonSerializer.Serialize(new
        {
            SerialNumber = "0b",
            PrivateKeyPEM = key!.ExportECPrivateKeyPem(),
            CertPEM = string.Concat(set.Intermediates.Prepend(set.Leaf).Select(static one => one.ExportCertificatePem() + "\n")),
            Service = "web",
        });
    }

    private static string Roots(params TestAuthority[] authorities) => JsonSerializer.Serialize(new
    {
        TrustDomain,
        Roots = authorities.Select(static (authority, i) => new { ID = $"{i}", RootCert = authority.Root.ExportCertificatePem() + "\n", Active = i > 0 }),
    });
}
