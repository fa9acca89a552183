using System.Security.Cryptography.X509Certificates;
using Mesh.Discovery;
using Mesh.Testing;

namespace Mesh.Server.Tests.Security;

public sealed class BadCertificateTests
{
    private const string Id = "spiffe://cluster.local/ns/prod/sa/productpage";

    /// <summary>What a hostile or broken caller may show: the certificate, what it sends beside it, and the reason it is refused for.</summary>
    private static (X509Certificate2 Leaf, IReadOnlyList<X509Certificate2> Sent, string Reason) Create(string what, TestAuthority authority)
    {
        var hour = TimeSpan.FromHours(1);
        var intermediate = authority.CreateIntermediate();
        var other = new TestAuthority("cluster.local", SecureApp.Start);
        return what switch
        {
            "expired" => (authority.Leaf([Id], -2 * hour, -hour), [], "expired"),
            "not yet valid" => (authority.Leaf([Id], hour, 2 * hour), [], "not-yet-valid"),
            "unknown trust domain" => (new TestAuthority("evil.example", SecureApp.Start).Leaf(["spiffe://evil.example/ns/prod/sa/productpage"]), [], "unknown-authority"),
            "other root, our trust domain" => (other.Leaf([Id]), [], "unknown-authority"),
            "our root, other trust domain" => (authority.Leaf(["spiffe://evil.example/ns/prod/sa/productpage"]), [], "wrong-trust-domain"),
            "self-signed" => (TestAuthority.SelfSigned(Id, SecureApp.Start), [], "unknown-authority"),
            "server usage only" => (authority.Leaf([Id], isClient: false), [], "wrong-usage"),
            "missing intermediate" => (intermediate.Leaf([Id]), [], "unknown-authority"),
            "no identity" => (authority.Leaf([]), [], "no-identity"),
            "two identities" => (authority.Leaf([Id, "spiffe://cluster.local/ns/prod/sa/reviews"]), [], "no-identity"),
            "https URI" => (authority.Leaf(["https://cluster.local/ns/prod/sa/productpage"]), [], "no-identity"),
            _ => throw new ArgumentOutOfRangeException(nameof(what)),
        };
    }

    public static TheoryData<MtlsMode, string> Table()
    {
        var table = new TheoryData<MtlsMode, string>();
        foreach (var what in new[]
        {
            "expired", "not yet valid", "unknown trust domain", "other root, our trust domain", "our root, other trust domain", "self-signed",
            "server usage only", "missing intermediate", "no identity", "two identities", "https URI",
        })
        {
            table.Add(MtlsMode.Strict, what);
            table.Add(MtlsMode.Permissive, what);
        }

        return table;
    }

    [Theory]
    [MemberData(nameof(Table))]
    public async Task Handshake_BadCertificate_IsRefusedWithItsReason(MtlsMode mode, string what)
    {
        await using var app = await SecureApp.StartAsync(mode);
        var (leaf, sent, reason) = Create(what, app.Authority);

        await Assert.ThrowsAsync<HttpRequestException>(() => app.TlsClient(leaf, sent).GetAsync("/who"));

        await app.Until(() => app.Count("refused", reason) > 0);
        Assert.Contains($"({reason})", await app.Mesh.LogLine("A connection from 127.0.0.1:"), StringComparison.Ordinal);
        Assert.Equal(0, app.Count("ok"));
        await app.Until(() => app.Register.Count == 0);
        Assert.NotNull((await app.WhoAsync(app.TlsClient(app.GoodLeaf()))).Peer);
    }

    /// <summary>TLS libraries refuse to show such a key, so the reason cannot be had over the wire everywhere.</summary>
    [Fact]
    public async Task Handshake_WeakKey_IsRefused()
    {
        await using var app = await SecureApp.StartAsync(MtlsMode.Strict);

        await Assert.ThrowsAsync<HttpRequestException>(() => app.TlsClient(app.Authority.Leaf([Id], rsaBits: 1024)).GetAsync("/who"));

        Assert.Equal(0, app.Count("ok"));
    }

    [Fact]
    public async Task Handshake_IntermediateSent_IsGoodAlsoWhenResumed()
    {
        await using var app = await SecureApp.StartAsync(MtlsMode.Strict);
        var intermediate = app.Authority.CreateIntermediate();
        var leaf = intermediate.Leaf([Id]);

        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(Id, (await app.WhoAsync(app.TlsClient(leaf, intermediate.Intermediates))).Peer);
        }
    }

    [Fact]
    public async Task Handshake_OtherTrustDomainWithABundle_IsGood()
    {
        var authority = new TestAuthority(now: SecureApp.Start);
        var partner = new TestAuthority("partner.example", SecureApp.Start);
        await using var app = await SecureApp.StartAsync(MtlsMode.Strict, authority: authority, set: authority.Set("reviews", "prod", [authority.Bundle, partner.Bundle]));

        var who = await app.WhoAsync(app.TlsClient(partner.Leaf(["spiffe://partner.example/ns/x/sa/y"])));

        Assert.Equal("spiffe://partner.example/ns/x/sa/y", who.Peer);
    }

    [Fact]
    public async Task Log_ManyRefusals_TellsFewAndHowManyWereLeftOut()
    {
        await using var app = await SecureApp.StartAsync(MtlsMode.Strict);
        const int Many = 20;
        for (var i = 0; i < Many; i++)
        {
            await RefuseAsync(app);
        }

        await app.Until(() => app.Count("refused", "plaintext") == Many);
        var lines = app.Mesh.Logs.GetSnapshot().Count(static log => log.Id.Id == 2030);
        app.Mesh.Time.Advance(TimeSpan.FromSeconds(1));
        await RefuseAsync(app);

        Assert.Equal(Mesh.Server.Security.TlsTelemetry.LinesPerSecond, lines);
        await app.Until(() => app.Mesh.Logs.GetSnapshot().Any(log => log.Id.Id == 2030 && log.Message.EndsWith($" {Many - lines} like it before were not logged.", StringComparison.Ordinal)));
    }

    private static async Task RefuseAsync(SecureApp app)
    {
        using var socket = await app.ConnectAsync();
        await socket.SendAsync("GET / HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray());
        Assert.Equal(0, await ModeTests.ReceiveAsync(socket));
    }
}
