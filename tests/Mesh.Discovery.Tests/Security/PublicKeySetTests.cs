using System.Buffers.Text;
using System.Security.Cryptography;
using Mesh.Discovery.Security;

namespace Mesh.Discovery.Tests.Security;

public sealed class PublicKeySetTests
{
    private const string Curve = """
        "kty":"EC","crv":"P-256","x":"eNlptH0xwfv3j2xnkcPYmYp6ttuUfihxLQnkvbslcgA","y":"hSJoumxzPG_0nSLxh1MLh5R-NMMgBzfHLKwyh_B_T0E"
        """;

    private static readonly string s_modulus = Encode(Modulus(2048));

    /// <summary>A set with one key, k1.</summary>
    public static string Set => $$"""{"keys":[{"kid":"k1",{{Curve}}}]}""";

    [Fact]
    public void Parse_KeysOfManySorts_KeepsThoseThatVerify()
    {
        var set = Good($$"""
            { "keys": [
              { {{Curve}}, "kid": "ec" }, { "kty": "RSA", "n": "{{s_modulus}}", "e": "AQAB", "kid": "rsa", "use": "sig", "key_ops": [ "verify" ], "x5c": [ "x" ] },
              { "kty": "RSA", "n": "{{s_modulus}}", "e": "AQAB", "alg": "PS256" },
              { {{Curve}}, "use": "enc" }, { {{Curve}}, "key_ops": [ "sign" ] }, { {{Curve}}, "alg": "ES384" },
              { "kty": "RSA", "n": "{{s_modulus}}", "e": "AQAB", "alg": "RSA-OAEP" }, { "kty": "OKP", "crv": "Ed25519", "x": "AA" }, { "kty": 7 }, {}
            ] }
            """);

        Assert.Equal(["ec", "rsa", null], set.Keys.Select(static key => key.Id));
        Assert.True(set.Keys[0].IsFor("ES256", "ec"));
        Assert.False(set.Keys[0].IsFor("ES384", "ec"));
        Assert.False(set.Keys[0].IsFor("RS256", "ec"));
        Assert.True(set.Keys[1].IsFor("RS256", "rsa"));
        Assert.True(set.Keys[1].IsFor("PS512", null));
        Assert.False(set.Keys[1].IsFor("RS256", "other"));
        Assert.False(set.Keys[1].IsFor("HS256", "rsa"));
        Assert.False(set.Keys[1].IsFor("none", null));
        Assert.True(set.Keys[2].IsFor("PS256", "whatever"));
        Assert.False(set.Keys[2].IsFor("RS256", "whatever"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{ "keys": {} }""")]
    [InlineData("""{ "keys": [], "keys": [] }""")]
    [InlineData("""{ "keys": [ { "kty": "\ud800" } ] }""")]
    public void Parse_WhatIsNoSet_IsRefused(string json) => Assert.Contains("is no JSON object with a list 'keys'", Problem(json), StringComparison.Ordinal);

    [Theory]
    [InlineData("""{ "kty": "oct", "k": "geheim" }""")]
    [InlineData("""{ "kty": "EC", "d": "geheim" }""")]
    [InlineData("""{ "kty": "RSA", "p": "geheim" }""")]
    [InlineData("""{ "kty": "OKP", "d": null }""")]
    public void Parse_SecretKey_RefusesTheWholeSetAndSaysNothingOfIt(string key)
    {
        var problem = Problem($$"""{ "keys": [ { {{Curve}} }, {{key}} ] }""");

        Assert.StartsWith("holds a private or symmetric key", problem, StringComparison.Ordinal);
        Assert.DoesNotContain("geheim", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{ "kty": "EC", "crv": "P-256", "x": "eNlptH0xwfv3j2xnkcPYmYp6ttuUfihxLQnkvbslcgA", "y": "eNlptH0xwfv3j2xnkcPYmYp6ttuUfihxLQnkvbslcgA" }""")]
    [InlineData("""{ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" }""")]
    [InlineData("""{ "kty": "EC", "crv": "P-256" }""")]
    [InlineData("""{ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA" }""")]
    [InlineData("""{ "kty": "RSA", "n": "!", "e": "AQAB" }""")]
    [InlineData("""{ "kty": "RSA", "n": "", "e": "AQAB" }""")]
    [InlineData("""{ "kty": "RSA", "e": "AQAB" }""")]
    public void Parse_KeyThatIsNone_IsLeftOut(string key) =>
        Assert.StartsWith("has no key that verifies signatures", Problem($$"""{ "keys": [ {{key}} ] }"""), StringComparison.Ordinal);

    [Theory]
    [InlineData(1024, "AQAB")]
    [InlineData(2040, "AQAB")]
    [InlineData(32768, "AQAB")]
    [InlineData(2048, "AQ")]
    [InlineData(2048, "AAE")]
    [InlineData(2048, "Ag")]
    [InlineData(2048, "AA")]
    public void Parse_WeakOrHugeRsaKey_IsLeftOut(int bits, string exponent) => Assert.StartsWith(
        "has no key that verifies signatures",
        Problem($$"""{ "keys": [ { "kty": "RSA", "n": "{{Encode(Modulus(bits))}}", "e": "{{exponent}}" } ] }"""),
        StringComparison.Ordinal);

    private static PublicKeySet Good(string json)
    {
        var (set, problem) = PublicKeySet.Parse(json);
        Assert.Equal("", problem);
        return set!;
    }

    private static string Problem(string json)
    {
        var (set, problem) = PublicKeySet.Parse(json);
        Assert.Null(set);
        return problem;
    }

    private static byte[] Modulus(int bits)
    {
        var modulus = RandomNumberGenerator.GetBytes(bits / 8);
        modulus[0] |= 0x80;
        modulus[^1] |= 1;
        return modulus;
    }

    private static string Encode(byte[] bytes) => Base64Url.EncodeToString(bytes);
}
