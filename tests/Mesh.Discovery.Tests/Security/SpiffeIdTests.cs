using CsCheck;
using Mesh.Discovery.Security;

namespace Mesh.Discovery.Tests.Security;

public sealed class SpiffeIdTests
{
    private const string Letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

    private static readonly Gen<string> s_domain = Gen.String[Gen.Char[Letters.ToLowerInvariant()], 1, 40];

    private static readonly Gen<string> s_segment =
        Gen.String[Gen.Char[Letters], 1, 20].Where(static segment => segment is not ("." or ".."));

    [Fact]
    public void Parse_AnyIdWithinTheStandard_ComesBackAsItWas() =>
        Gen.Select(s_domain, s_segment.Array[1, 6]).Sample(static (domain, segments) =>
        {
            var text = $"spiffe://{domain}/{string.Join('/', segments)}";
            var id = SpiffeId.Parse(text);

            Assert.Equal(text, id.ToString());
            Assert.Equal(domain, id.TrustDomain);
            Assert.Equal($"{domain}/{string.Join('/', segments)}", id.Principal);
            Assert.Equal(id, SpiffeId.Parse(id.ToString()));
            Assert.Equal(id.GetHashCode(), SpiffeId.Parse(text).GetHashCode());
        });

    [Fact]
    public void TryParse_AnyText_NeverThrowsAndIsStableIfItIsOne() =>
        Gen.OneOf(Gen.String, Gen.Select(Gen.String, Gen.String, static (a, b) => $"spiffe://{a}/{b}")).Sample(static text =>
            !SpiffeId.TryParse(text, out var id) || SpiffeId.Parse(id.ToString()).Equals(id));

    [Fact]
    public void Create_IstiosForm_HasItsParts()
    {
        var id = SpiffeId.Create("cluster.local", "prod", "reviews");

        Assert.Equal("spiffe://cluster.local/ns/prod/sa/reviews", id.ToString());
        Assert.Equal(("prod", "reviews", null, null), (id.Namespace, id.ServiceAccount, id.Datacenter, id.ConsulService));
    }

    [Fact]
    public void Parse_ConsulsForm_HasItsParts()
    {
        var id = SpiffeId.Parse("spiffe://11111111-2222-3333-4444-555555555555.consul/ns/default/dc/dc1/svc/web");

        Assert.Equal(("default", null, "dc1", "web"), (id.Namespace, id.ServiceAccount, id.Datacenter, id.ConsulService));
    }

    [Theory]
    [InlineData("SPIFFE://Cluster.Local/ns/Prod/sa/Web", "spiffe://cluster.local/ns/Prod/sa/Web")]
    [InlineData("spiffe://x/a", "spiffe://x/a")]
    public void Parse_SchemeAndTrustDomain_AreComparedWithoutCase(string text, string read) =>
        Assert.Equal(read, SpiffeId.Parse(text).ToString());

    [Theory]
    [InlineData("")]
    [InlineData("spiffe://")]
    [InlineData("spiffe:///ns/a")]
    [InlineData("spiffe://cluster.local")]
    [InlineData("spiffe://cluster.local/")]
    [InlineData("spiffe://cluster.local/a/")]
    [InlineData("spiffe://cluster.local//a")]
    [InlineData("spiffe://cluster.local/a/../b")]
    [InlineData("spiffe://cluster.local/./a")]
    [InlineData("spiffe://cluster.local/a%2fb")]
    [InlineData("spiffe://cluster.local/a b")]
    [InlineData("spiffe://cluster.local/a?b")]
    [InlineData("spiffe://cluster.local/a#b")]
    [InlineData("spiffe://cluster.local:80/a")]
    [InlineData("spiffe://user@cluster.local/a")]
    [InlineData("spiffe://cluster.local/ä")]
    [InlineData("spiffe://\u212Auster.local/a")]
    [InlineData("https://cluster.local/a")]
    [InlineData("spiffe:/cluster.local/a")]
    public void TryParse_WhatTheStandardForbids_IsNone(string text)
    {
        Assert.False(SpiffeId.TryParse(text, out _));
        Assert.Contains("is not a SPIFFE ID", Assert.Throws<FormatException>(() => SpiffeId.Parse(text)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TryParse_Lengths_AreThoseOfTheStandard()
    {
        var domain = new string('d', 255);
        Assert.True(SpiffeId.TryParse($"spiffe://{domain}/a", out _));
        Assert.False(SpiffeId.TryParse($"spiffe://d{domain}/a", out _));
        Assert.True(SpiffeId.TryParse("spiffe://x/".PadRight(2048, 'a'), out _));
        Assert.False(SpiffeId.TryParse("spiffe://x/".PadRight(2049, 'a'), out _));
        Assert.False(SpiffeId.TryParse(null, out _));
    }
}
