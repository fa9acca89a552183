using System.Security.Cryptography;

namespace Mesh.Discovery.Security;

/// <summary>A public key that verifies signatures of tokens.</summary>
internal sealed class VerificationKey
{
    /// <summary>Of the algorithms of RFC 7518 those with a public key.</summary>
    private static readonly HashSet<string> s_rsaAlgorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];

    private readonly string? _algorithm;

    public VerificationKey(string? id, string? algorithm, RSAParameters rsa) => (Id, _algorithm, Rsa) = (id, algorithm, rsa);

    /// <param name="id">Its name.</param>
    /// <param name="algorithm">The one that goes with the curve.</param>
    /// <param name="curve">The point.</param>
    public VerificationKey(string? id, string algorithm, ECParameters curve) => (Id, _algorithm, Curve) = (id, algorithm, curve);

    /// <summary>What tokens call it (<c>kid</c>).</summary>
    public string? Id { get; }

    public RSAParameters? Rsa { get; }

    public ECParameters? Curve { get; }

    /// <summary>Whether anything verifies such signatures.</summary>
    public static bool IsAlgorithm(string algorithm) => IsRsaAlgorithm(algorithm) || algorithm is "ES256" or "ES384" or "ES512";

    public static bool IsRsaAlgorithm(string algorithm) => s_rsaAlgorithms.Contains(algorithm);

    /// <summary>Whether it may have made a signature; a token or a key that names none goes with all, as in Envoy.</summary>
    public bool IsFor(string algorithm, string? id) =>
        (_algorithm is null ? IsRsaAlgorithm(algorithm) : _algorithm == algorithm)
        && (string.IsNullOrEmpty(id) || Id is null || Id == id);
}
