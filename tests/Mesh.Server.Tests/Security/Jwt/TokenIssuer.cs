using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Mesh.Server.Tests.Security.Jwt;

/// <summary>Makes tokens of every sort, good and bad, by no library.</summary>
internal sealed class TokenIssuer(string issuer = TokenIssuer.DefaultName, string keyId = "k1")
{
    public const string DefaultName = "https://issuer.example";

    /// <summary>That of <see cref="MeshApp"/>, in seconds since 1970.</summary>
    public const long Now = 1893553445;

    public string Name { get; } = issuer;

    public RSA Rsa { get; } = RSA.Create(2048);

    public ECDsa Curve { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public string KeySet => $$"""{ "keys": [ {{RsaKey(keyId)}}, {{CurveKey(keyId)}} ] }""";

    public string RsaKey(string? id, string more = "")
    {
        var key = Rsa.ExportParameters(includePrivateParameters: false);
        return $$"""{ "kty": "RSA", {{Id(id)}} "n": "{{Encode(key.Modulus!)}}", "e": "{{Encode(key.Exponent!)}}"{{more}} }""";
    }

    public string CurveKey(string? id)
    {
        var key = Curve.ExportParameters(includePrivateParameters: false);
        return $$"""{ "kty": "EC", "crv": "P-256", {{Id(id)}} "x": "{{Encode(key.Q.X!)}}", "y": "{{Encode(key.Q.Y!)}}" }""";
    }

    /// <summary>The claims of a good token, with changes; null takes a claim away.</summary>
    public string Claims(params (string Name, JsonNode? Value)[] changes)
    {
        var claims = new JsonObject { ["iss"] = Name, ["sub"] = "alice", ["exp"] = Now + 3600 };
        foreach (var (name, value) in changes)
        {
            claims.Remove(name);
            if (value is not null)
            {
                claims[name] = value;
            }
        }

        return claims.ToJsonString();
    }

    /// <summary>A good token with changes of its claims.</summary>
    public string Token(params (string Name, JsonNode? Value)[] changes) => Sign(Claims(changes));

    public string Sign(string claims, string algorithm = "RS256", string? id = "k1", string moreHeader = "") =>
        SignRaw($$"""{ {{Id(id)}} "alg": "{{algorithm}}"{{moreHeader}} }""", claims, algorithm);

    public string SignRaw(string header, string claims, string algorithm)
    {
        var text = $"{Encode(Encoding.UTF8.GetBytes(header))}.{Encode(Encoding.UTF8.GetBytes(claims))}";
        return $"{text}.{Encode(Signature(Encoding.ASCII.GetBytes(text), algorithm))}";
    }

    public static string Encode(byte[] bytes) => Base64Url.EncodeToString(bytes);

    private static string Id(string? id) => id is null ? "" : $"\"kid\": \"{id}\",";

    private byte[] Signature(byte[] data, string algorithm) => algorithm switch
    {
        "none" => [],
        "RS256" => Rsa.SignData(data, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1),
        "RS512" => Rsa.SignData(data, HashAlgorithmName.SHA512, RSASignaturePadding.Pkcs1),
        "PS384" => Rsa.SignData(data, HashAlgorithmName.SHA384, RSASignaturePadding.Pss),
        "ES256" => Curve.SignData(data, HashAlgorithmName.SHA256),

        // With what everybody has.
        "HS256" => HMACSHA256.HashData(Encoding.ASCII.GetBytes(Rsa.ExportSubjectPublicKeyInfoPem()), data),
        _ => throw new ArgumentException(algorithm),
    };
}
