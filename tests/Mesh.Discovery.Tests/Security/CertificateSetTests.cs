using System.Security.Cryptography.X509Certificates;
using Mesh.Discovery.Security;
using Mesh.Testing;

namespace Mesh.Discovery.Tests.Security;

public sealed class CertificateSetTests
{
    private readonly TestAuthority _authority = new();

    [Fact]
    public void Constructor_GoodCertificate_KnowsWhoAndUntilWhen()
    {
        var intermediate = _authority.CreateIntermediate();

        var set = intermediate.Set("web", "prod");

        Assert.Equal("spiffe://cluster.local/ns/prod/sa/web", set.Id.ToString());
        Assert.Equal(set.Leaf.NotAfter.ToUniversalTime(), set.NotAfter.UtcDateTime);
        Assert.Equal(TimeSpan.Zero, set.NotAfter.Offset);
        Assert.Equal(set.Leaf.NotBefore.ToUniversalTime(), set.NotBefore.UtcDateTime);
        Assert.Single(set.Context.IntermediateCertificates);
        Assert.Null(OwnCertificate.ProblemOf(set, TimeProvider.System));
    }

    [Fact]
    public void Constructor_WhatCannotBeShownOrVerified_IsRefused()
    {
        using var bare = X509CertificateLoader.LoadCertificate(_authority.Set("web").Leaf.RawData);
        var other = new TestAuthority("other.test");

        Assert.Contains("no private key", Refuse(bare, _authority.Bundle), StringComparison.Ordinal);
        Assert.Contains("has no SPIFFE ID", Refuse(_authority.Leaf([]), _authority.Bundle), StringComparison.Ordinal);
        Assert.Contains("no trust bundle for cluster.local", Refuse(_authority.Set("web").Leaf, other.Bundle), StringComparison.Ordinal);

        static string Refuse(X509Certificate2 leaf, TrustBundle bundle) =>
            Assert.Throws<ArgumentException>(() => new CertificateSet(leaf, [], [bundle])).Message;
    }

    [Fact]
    public void Constructor_OfABundle_WantsATrustDomainAndARoot()
    {
        Assert.Equal("cluster.local", new TrustBundle("Cluster.Local", [_authority.Root]).TrustDomain);
        Assert.Contains("'a/b' is not a trust domain", Assert.Throws<ArgumentException>(() => new TrustBundle("a/b", [_authority.Root])).Message, StringComparison.Ordinal);
        Assert.Contains("x.test has no root", Assert.Throws<ArgumentException>(() => new TrustBundle("x.test", [])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ProblemOf_WhatPeersWouldRefuse_IsTold()
    {
        var own = _authority.Id("web").ToString();
        var intermediate = _authority.CreateIntermediate();

        Assert.Contains("has expired", Problem(_authority.Leaf([own], -TimeSpan.FromHours(2), -TimeSpan.FromHours(1))), StringComparison.Ordinal);
        Assert.Contains("is not valid before", Problem(_authority.Leaf([own], TimeSpan.FromMinutes(10))), StringComparison.Ordinal);
        Assert.Contains("clients and of servers", Problem(_authority.Leaf([own], isClient: false)), StringComparison.Ordinal);
        Assert.Contains("clients and of servers", Problem(_authority.Leaf([own], isServer: false)), StringComparison.Ordinal);
        Assert.Contains("leads from it to one of the roots", Problem(intermediate.Leaf([own])), StringComparison.Ordinal);
        Assert.Contains("leads from it to one of the roots", Problem(new TestAuthority().Leaf([own])), StringComparison.Ordinal);

        string Problem(X509Certificate2 leaf) =>
            OwnCertificate.ProblemOf(new CertificateSet(leaf, [], [_authority.Bundle]), TimeProvider.System)!;
    }
}
