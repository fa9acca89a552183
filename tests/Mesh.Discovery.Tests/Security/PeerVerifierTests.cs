using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Mesh.Discovery.Security;
using Mesh.Testing;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Discovery.Tests.Security;

/// <summary>Real handshakes, in both roles; all certificates are of the time of the test, which is not that of the machine.</summary>
public sealed class PeerVerifierTests
{
    private static readonly DateTimeOffset s_now = new(2041, 5, 6, 7, 8, 9, TimeSpan.Zero);

    private readonly FakeTimeProvider _time = new(s_now);
    private readonly TestAuthority _authority = new(now: s_now);
    private readonly TestAuthority _foreign = new("other.test", s_now);
    private readonly PeerTrust _trust;

    /// <summary>The process under test believes both trust domains, each for itself.</summary>
    public PeerVerifierTests() =>
        _trust = new PeerTrust(_authority.Set("me", bundles: [_authority.Bundle, _foreign.Bundle]), _time);

    public enum Role
    {
        Client,
        Server,
    }

    public static TheoryData<Role, string, string, string> Refused()
    {
        (string Case, string Reason, string Detail)[] cases =
        [
            ("expired", PeerReasons.Expired, "has expired at 2041-05-06 07:07:09Z"),
            ("not yet valid", PeerReasons.NotYetValid, "is not valid before 2041-05-06 07:09:09Z"),
            ("expired intermediate", PeerReasons.Expired, "a certificate in the chain of spiffe://cluster.local/ns/default/sa/peer is not valid now"),
            ("foreign root", PeerReasons.UnknownAuthority, "was not issued by a known authority, or an intermediate is missing (issuer: 'CN=root of cluster.local"),
            ("known root, another's trust domain", PeerReasons.WrongTrustDomain, "is not one of the trust domain other.test"),
            ("known root, unknown trust domain", PeerReasons.WrongTrustDomain, "is not one of the trust domain nobody.test"),
            ("self-signed", PeerReasons.UnknownAuthority, "is self-signed"),
            ("without the usage", PeerReasons.WrongUsage, "is not for this use of TLS"),
            ("missing intermediate", PeerReasons.UnknownAuthority, "an intermediate is missing"),
            ("two URIs", PeerReasons.NoIdentity, "the certificate of 'CN=leaf' has more than one URI"),
            ("no URI", PeerReasons.NoIdentity, "the certificate of 'CN=leaf' has no SPIFFE ID"),
            ("not a SPIFFE ID", PeerReasons.NoIdentity, "has the URI 'https://cluster.local/ns/default/sa/peer', which is not a SPIFFE ID"),
            ("an authority", PeerReasons.WrongUsage, "is that of an authority"),
            ("a key that signs certificates", PeerReasons.WrongUsage, "is that of an authority"),
            ("signed by a leaf", PeerReasons.InvalidChain, "is not valid"),
        ];
        var data = new TheoryData<Role, string, string, string>();
        foreach (var (name, reason, detail) in cases)
        {
            data.Add(Role.Client, name, reason, detail);
            data.Add(Role.Server, name, reason, detail);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task Verify_BadPeer_IsRefusedWithTheReason(Role peer, string name, string reason, string detail)
    {
        var verdict = (await HandshakeAsync(peer, Bad(name, peer))).Verdict;

        Assert.Null(verdict.Id);
        Assert.Equal(reason, verdict.Reason);
        Assert.Contains(detail, verdict.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Role.Client)]
    [InlineData(Role.Server)]
    public async Task Verify_GoodPeer_IsKnown(Role peer)
    {
        var verdict = (await HandshakeAsync(peer, Show(_authority.Set("peer").Leaf))).Verdict;

        Assert.Equal("spiffe://cluster.local/ns/default/sa/peer", verdict.Id?.ToString());
        Assert.Null(verdict.Reason);
    }

    [Theory]
    [InlineData(Role.Client)]
    [InlineData(Role.Server)]
    public async Task Verify_PeerOfAnotherTrustedDomain_IsKnown(Role peer)
    {
        var verdict = (await HandshakeAsync(peer, Show(_foreign.Set("peer").Leaf))).Verdict;

        Assert.Equal("spiffe://other.test/ns/default/sa/peer", verdict.Id?.ToString());
    }

    [Theory]
    [InlineData(Role.Client)]
    [InlineData(Role.Server)]
    public async Task Verify_WithoutExtendedKeyUsages_AreAllOfThem(Role peer)
    {
        var leaf = _authority.Leaf([PeerUri], isServer: false, isClient: false);

        // An empty list allows nothing.
        Assert.Equal(PeerReasons.WrongUsage, (await HandshakeAsync(peer, Show(leaf))).Verdict.Reason);
    }

    [Theory]
    [InlineData(Role.Client)]
    [InlineData(Role.Server)]
    public async Task Verify_ResumedHandshakes_KnowTheIntermediates(Role peer)
    {
        var intermediate = _authority.CreateIntermediate().CreateIntermediate();
        var set = intermediate.Set("peer");
        var shown = Show(set.Leaf, [.. set.Intermediates]);

        var first = await HandshakeAsync(peer, shown);
        var second = await HandshakeAsync(peer, shown);

        Assert.Equal("spiffe://cluster.local/ns/default/sa/peer", first.Verdict.Id?.ToString());
        Assert.True(first.Sent >= 2, $"{first.Sent}");
        Assert.True(second.Verdict.Id is not null, second.Verdict.Detail);
        if (OperatingSystem.IsLinux() && peer == Role.Client)
        {
            // A server keeps the leaf only; a client keeps the chain in memory with its session.
            Assert.True(second.Sent < first.Sent, $"it was not resumed: {first.Sent}, {second.Sent}");
        }
    }

    [Fact]
    public async Task Verify_ResumedHandshakeAfterTheOwnSetHasChanged_KnowsTheIntermediates()
    {
        var set = _authority.CreateIntermediate().Set("peer");
        var shown = Show(set.Leaf, [.. set.Intermediates]);
        var known = new KnownIntermediates();
        var (before, after) = (new PeerTrust(_authority.Set("me"), _time, known), new PeerTrust(_authority.CreateIntermediate().Set("me"), _time, known));

        // The server's certificate stays at first, and with it the tickets that it gave; what verifies is new.
        var first = await Handshake.OfClientAsync(before, shown);
        var second = await Handshake.OfClientAsync(new PeerTrust(before.Set, _time, known), shown);
        if (OperatingSystem.IsLinux())
        {
            Assert.True(second.Sent < first.Sent, $"it was not resumed: {first.Sent}, {second.Sent}");
            var forgetful = await Handshake.OfClientAsync(new PeerTrust(before.Set, _time), shown);
            Assert.Equal(PeerReasons.UnknownAuthority, forgetful.Verdict.Reason);
        }

        var third = await Handshake.OfClientAsync(after, shown);

        Assert.All([first, second, third], static one => Assert.True(one.Verdict.Id is not null, one.Verdict.Detail));
    }

    [Fact]
    public async Task Verify_ClientWithoutACertificate_IsRefused()
    {
        var verdict = (await Handshake.OfClientAsync(_trust, null)).Verdict;

        Assert.Equal(PeerReasons.NoCertificate, verdict.Reason);
    }

    [Theory]
    [InlineData(1024, PeerReasons.WeakKey)]
    [InlineData(2048, null)]
    public void Verify_RsaKeys_HaveToBeLongEnough(int bits, string? reason)
    {
        // Not in a handshake: OpenSSL itself would not show a certificate with such a key.
        using var chain = new X509Chain { ChainPolicy = _trust.Verifier.CreatePolicy() };
        var leaf = _authority.Leaf([PeerUri], rsaBits: bits);
        var isGood = chain.Build(leaf);

        var verdict = _trust.Verifier.Verify(leaf, chain, isGood ? SslPolicyErrors.None : SslPolicyErrors.RemoteCertificateChainErrors);

        Assert.Equal(reason, verdict.Reason);
    }

    [Fact]
    public async Task Verify_TimeThatPasses_IsThatOfTheClock()
    {
        var shown = Show(_authority.Set("peer", lifetime: TimeSpan.FromHours(1)).Leaf);

        _time.Advance(TimeSpan.FromMinutes(59));
        Assert.Null((await HandshakeAsync(Role.Client, shown)).Verdict.Reason);
        _time.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal(PeerReasons.Expired, (await HandshakeAsync(Role.Client, shown)).Verdict.Reason);
    }

    [Fact]
    public async Task Verify_WhatAHostilePeerCallsItself_IsQuotedAndCut()
    {
        using var key = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        var name = new X500DistinguishedNameBuilder();
        name.AddCommonName("a\nfake log line " + new string('x', 40));
        var request = new CertificateRequest(name.Build(), key, System.Security.Cryptography.HashAlgorithmName.SHA256);
        var hostile = request.CreateSelfSigned(s_now.AddDays(-1), s_now.AddDays(1));

        var verdict = (await HandshakeAsync(Role.Client, Show(hostile))).Verdict;

        Assert.Equal(PeerReasons.UnknownAuthority, verdict.Reason);
        Assert.DoesNotContain('\n', verdict.Detail!);
        Assert.True(verdict.Detail!.Length < 300, verdict.Detail);
    }

    [Fact]
    public void Remember_ManyIntermediates_KeepsTheNewest()
    {
        var known = new KnownIntermediates();
        var last = _authority;
        for (var i = 0; i < 70; i++)
        {
            last = _authority.CreateIntermediate();
            var set = last.Set("peer");
            using var chain = new X509Chain { ChainPolicy = _trust.Verifier.CreatePolicy() };
            chain.ChainPolicy.ExtraStore.AddRange(set.Intermediates.ToArray());
            Assert.True(chain.Build(set.Leaf));
            known.Remember(chain);
            known.Remember(chain);
        }

        Assert.Equal(64, known.All.Length);
        Assert.Equal(last.Intermediates[0].Thumbprint, known.All[^1].Thumbprint);
    }

    private const string PeerUri = "spiffe://cluster.local/ns/default/sa/peer";

    private Task<Verified> HandshakeAsync(Role peer, SslStreamCertificateContext shown) =>
        peer == Role.Client ? Handshake.OfClientAsync(_trust, shown) : Handshake.OfServerAsync(_trust, shown);

    private static SslStreamCertificateContext Show(X509Certificate2 leaf, params X509Certificate2[] intermediates) =>
        SslStreamCertificateContext.Create(leaf, [.. intermediates], offline: true);

    private SslStreamCertificateContext Bad(string name, Role peer)
    {
        var minute = TimeSpan.FromMinutes(1);
        switch (name)
        {
            case "expired":
                return Show(_authority.Leaf([PeerUri], -5 * minute, -minute));
            case "not yet valid":
                return Show(_authority.Leaf([PeerUri], minute));
            case "expired intermediate":
                var old = new TestAuthority(_authority, s_now.AddDays(-500));
                return Show(old.Leaf([PeerUri], TimeSpan.FromDays(499), TimeSpan.FromDays(501)), [.. old.Intermediates]);
            case "foreign root":
                return Show(new TestAuthority(now: s_now).Leaf([PeerUri]));
            case "known root, another's trust domain":
                return Show(_authority.Leaf(["spiffe://other.test/ns/default/sa/peer"]));
            case "known root, unknown trust domain":
                return Show(_authority.Leaf(["spiffe://nobody.test/ns/default/sa/peer"]));
            case "self-signed":
                return Show(TestAuthority.SelfSigned(PeerUri, s_now));
            case "without the usage":
                return Show(_authority.Leaf([PeerUri], isClient: peer != Role.Client, isServer: peer != Role.Server));
            case "missing intermediate":
                return Show(_authority.CreateIntermediate().Leaf([PeerUri]));
            case "two URIs":
                return Show(_authority.Leaf([PeerUri, "spiffe://cluster.local/ns/default/sa/other"]));
            case "no URI":
                return Show(_authority.Leaf([]));
            case "not a SPIFFE ID":
                return Show(_authority.Leaf(["https://cluster.local/ns/default/sa/peer"]));
            case "an authority":
                return Show(_authority.Leaf([PeerUri], isAuthority: true));
            case "a key that signs certificates":
                return Show(_authority.Leaf([PeerUri], keyUsage: X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyCertSign));
            case "signed by a leaf":
                var signer = _authority.Leaf(["spiffe://cluster.local/ns/default/sa/thief"]);
                return Show(TestAuthority.SignedBy(signer, PeerUri, s_now), signer);
            default:
                throw new ArgumentException(name);
        }
    }
}
