using System.Security.Cryptography.X509Certificates;

namespace Mesh.Discovery.Security;

/// <summary>
/// The roots of one trust domain. Several at once while a root rotates: the old one and the new one. Immutable.
/// </summary>
public sealed class TrustBundle
{
    /// <summary>Takes the roots.</summary>
    /// <param name="trustDomain">The trust domain that they may vouch for, and no other.</param>
    /// <param name="roots">At least one.</param>
    /// <exception cref="ArgumentException">The trust domain is none, or there is no root.</exception>
    public TrustBundle(string trustDomain, IEnumerable<X509Certificate2> roots)
    {
        ArgumentNullException.ThrowIfNull(trustDomain);
        ArgumentNullException.ThrowIfNull(roots);
        TrustDomain = trustDomain.ToLowerInvariant();
        if (!SpiffeId.IsTrustDomain(TrustDomain))
        {
            throw new ArgumentException($"'{trustDomain}' is not a trust domain; allowed are letters, digits, '.', '-' and '_'", nameof(trustDomain));
        }

        Roots = [.. roots];
        if (Roots.Count == 0)
        {
            throw new ArgumentException($"the trust domain {TrustDomain} has no root certificate", nameof(roots));
        }
    }

    /// <summary>The trust domain, in lower case.</summary>
    public string TrustDomain { get; }

    /// <summary>Its roots.</summary>
    public IReadOnlyList<X509Certificate2> Roots { get; }
}
