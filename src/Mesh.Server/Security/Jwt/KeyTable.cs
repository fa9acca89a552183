using System.Security.Cryptography;
using Mesh.Discovery.Security;
using Microsoft.IdentityModel.Tokens;

namespace Mesh.Server.Security.Jwt;

/// <summary>Keys as the library wants them. Immutable.</summary>
internal sealed class KeyTable(PublicKeySet set)
{
    private readonly (VerificationKey Key, SecurityKey Library)[] _keys = [.. set.Keys.Select(static key => (key, Create(key)))];

    /// <summary>The keys that may have made a signature.</summary>
    public IReadOnlyList<SecurityKey> For(string algorithm, string? keyId)
    {
        var result = new List<SecurityKey>();
        foreach (var (key, library) in _keys)
        {
            if (key.IsFor(algorithm, keyId))
            {
                result.Add(library);
            }
        }

        return result;
    }

    private static SecurityKey Create(VerificationKey key) => key.Rsa is { } rsa
        ? new RsaSecurityKey(rsa) { KeyId = key.Id }
        : new ECDsaSecurityKey(ECDsa.Create(key.Curve!.Value)) { KeyId = key.Id };
}
