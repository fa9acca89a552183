using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace Mesh.Discovery.Security;

/// <summary>What a process shows of itself and whom it believes: its certificate with the private key, and the trust bundles. Immutable.</summary>
public sealed class CertificateSet
{
    /// <summary>Takes a certificate and the bundles.</summary>
    /// <param name="leaf">The certificate, with its private key and exactly one URI SAN, which is a SPIFFE ID.</param>
    /// <param name="intermediates">The certificates between the leaf and its root, without the root.</param>
    /// <param name="bundles">The trust bundles; that of the leaf's own trust domain must be among them.</param>
    /// <exception cref="ArgumentException">The certificate has no private key or no SPIFFE ID, or no bundle is for its trust domain.</exception>
    public CertificateSet(X509Certificate2 leaf, IEnumerable<X509Certificate2> intermediates, IEnumerable<TrustBundle> bundles)
    {
        ArgumentNullException.ThrowIfNull(leaf);
        ArgumentNullException.ThrowIfNull(intermediates);
        ArgumentNullException.ThrowIfNull(bundles);
        Leaf = leaf;
        Intermediates = [.. intermediates];
        Bundles = [.. bundles];
        if (!leaf.HasPrivateKey)
        {
            throw new ArgumentException("the certificate has no private key", nameof(leaf));
        }

        Id = SubjectNames.IdOf(leaf, out var problem) ?? throw new ArgumentException($"the certificate {problem}", nameof(leaf));
        if (!Bundles.Any(bundle => bundle.TrustDomain == Id.TrustDomain))
        {
            throw new ArgumentException($"there is no trust bundle for {Id.TrustDomain}, the trust domain of the certificate", nameof(bundles));
        }

        NotBefore = new DateTimeOffset(leaf.NotBefore.ToUniversalTime());
        NotAfter = new DateTimeOffset(leaf.NotAfter.ToUniversalTime());

        // Offline: nothing is fetched to complete the chain.
        Context = SslStreamCertificateContext.Create(leaf, [.. Intermediates], offline: true);
    }

    /// <summary>The certificate of this process.</summary>
    public X509Certificate2 Leaf { get; }

    /// <summary>The certificates between it and its root.</summary>
    public IReadOnlyList<X509Certificate2> Intermediates { get; }

    /// <summary>Whom to believe, by trust domain.</summary>
    public IReadOnlyList<TrustBundle> Bundles { get; }

    /// <summary>Who this process is.</summary>
    public SpiffeId Id { get; }

    /// <summary>From when on the certificate is valid.</summary>
    public DateTimeOffset NotBefore { get; }

    /// <summary>Until when the certificate is valid.</summary>
    public DateTimeOffset NotAfter { get; }

    /// <summary>The certificate as handshakes need it.</summary>
    internal SslStreamCertificateContext Context { get; }
}
