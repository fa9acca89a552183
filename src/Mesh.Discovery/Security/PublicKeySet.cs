using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Mesh.Discovery.Security;

/// <summary>The public keys of a JWK set (RFC 7517).</summary>
/// <remarks>
/// Keys of a sort that nothing here verifies with are left out, as section 5 wants it; those that ought to be nobody else's make
/// the whole set bad: whoever could read it can sign with them.
/// </remarks>
internal sealed class PublicKeySet
{
    /// <summary>RFC 7518, sections 3.3 and 3.5.</summary>
    private const int MinRsaBits = 2048;

    /// <summary>Verifying with larger ones takes too long.</summary>
    private const int MaxRsaBits = 16384;

    private static readonly (string Name, string Algorithm, ECCurve Curve, int Length)[] s_curves =
    [
        ("P-256", "ES256", ECCurve.NamedCurves.nistP256, 32),
        ("P-384", "ES384", ECCurve.NamedCurves.nistP384, 48),
        ("P-521", "ES512", ECCurve.NamedCurves.nistP521, 66),
    ];

    /// <summary>RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1.</summary>
    private static readonly string[] s_secrets = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

    private PublicKeySet(IReadOnlyList<VerificationKey> keys) => Keys = keys;

    public IReadOnlyList<VerificationKey> Keys { get; }

    /// <summary>Reads a set.</summary>
    /// <returns>The set, or what is wrong with it, without any of its content.</returns>
    public static (PublicKeySet? Set, string Problem) Parse(ReadOnlyMemory<byte> json)
    {
        const string NoSet = "is no JSON object with a list 'keys'";
        var keys = new List<VerificationKey>();
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false });
            if (document.RootElement.ValueKind != JsonValueKind.Object
                || !document.RootElement.TryGetProperty("keys", out var list) || list.ValueKind != JsonValueKind.Array)
            {
                return (null, NoSet);
            }

            foreach (var item in list.EnumerateArray())
            {
                if (item.ValueKind != JsonValueKind.Object)
                {
                    return (null, "has something in 'keys' that is no JSON object");
                }

                if (Array.Exists(s_secrets, name => item.TryGetProperty(name, out _)))
                {
                    return (null, "holds a private or symmetric key, with which whoever reads it can sign; publish the public key only, and replace this one");
                }

                if (ReadKey(item) is { } key)
                {
                    keys.Add(key);
                }
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Its message may show content. The second kind is for text that is not Unicode.
            return (null, NoSet);
        }

        return keys.Count > 0
            ? (new PublicKeySet(keys), "")
            : (null, $"has no key that verifies signatures: RSA of {MinRsaBits} to {MaxRsaBits} bits, or EC of {string.Join(", ", s_curves.Select(static c => c.Name))}");
    }

    public static (PublicKeySet? Set, string Problem) Parse(string json) => Parse(Encoding.UTF8.GetBytes(json));

    private static VerificationKey? ReadKey(JsonElement key)
    {
        if (Text(key, "use") is not (null or "sig") || !IsForVerifying(key))
        {
            return null;
        }

        return Text(key, "kty") switch
        {
            "RSA" => ReadRsa(key),
            "EC" => ReadCurve(key),
            _ => null,
        };
    }

    private static bool IsForVerifying(JsonElement key) =>
        !key.TryGetProperty("key_ops", out var uses) || (uses.ValueKind == JsonValueKind.Array
            && uses.EnumerateArray().Any(static use => use.ValueKind == JsonValueKind.String && use.ValueEquals("verify")));

    private static VerificationKey? ReadRsa(JsonElement key)
    {
        var algorithm = Text(key, "alg");
        if (Bytes(key, "n") is not { } modulus || Bytes(key, "e") is not { Length: > 0 and <= 8 } exponent
            || (algorithm is not null && !VerificationKey.IsRsaAlgorithm(algorithm)))
        {
            return null;
        }

        // An exponent of 1 makes every message its own signature.
        modulus = modulus.AsSpan().TrimStart((byte)0).ToArray();
        exponent = exponent.AsSpan().TrimStart((byte)0).ToArray();
        if (exponent is [] or [1] || (exponent[^1] & 1) == 0)
        {
            return null;
        }

        var parameters = new RSAParameters { Modulus = modulus, Exponent = exponent };
        try
        {
            using var rsa = RSA.Create(parameters);
            return rsa.KeySize is >= MinRsaBits and <= MaxRsaBits ? new VerificationKey(Text(key, "kid"), algorithm, parameters) : null;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private static VerificationKey? ReadCurve(JsonElement key)
    {
        var name = Text(key, "crv");
        var index = Array.FindIndex(s_curves, curve => curve.Name == name);
        if (index < 0)
        {
            return null;
        }

        var (_, algorithm, curve, length) = s_curves[index];
        if (Text(key, "alg") is { } own && own != algorithm)
        {
            return null;
        }

        var parameters = new ECParameters { Curve = curve, Q = new ECPoint { X = Bytes(key, "x"), Y = Bytes(key, "y") } };
        if (parameters.Q.X?.Length != length || parameters.Q.Y?.Length != length)
        {
            return null;
        }

        try
        {
            // Throws for a point that is not on the curve.
            using var _ = ECDsa.Create(parameters);
            return new VerificationKey(Text(key, "kid"), algorithm, parameters);
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private static string? Text(JsonElement key, string name) =>
        key.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text ? text : null;

    private static byte[]? Bytes(JsonElement key, string name)
    {
        if (Text(key, name) is not { } text || !Base64Url.IsValid(text))
        {
            return null;
        }

        return Base64Url.DecodeFromChars(text);
    }
}
