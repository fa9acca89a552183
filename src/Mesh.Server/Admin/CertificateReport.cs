using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Mesh.Discovery.Security;

namespace Mesh.Server.Admin;

/// <summary>Who this process is and whom it believes; nothing of it is secret. All but the source is absent before the first certificate.</summary>
internal sealed record CertificateReport
{
    public required string Source { get; init; }
    public string? Id { get; init; }
    public DateTimeOffset? NotBefore { get; init; }
    public DateTimeOffset? NotAfter { get; init; }
    public string? Serial { get; init; }

    /// <summary>Whether it is valid no more.</summary>
    public bool? Expired { get; init; }
    public IReadOnlyList<TrustDomainReport>? TrustDomains { get; init; }

    /// <summary>Null if the process is to have no certificate.</summary>
    public static CertificateReport? Of(MeshCertificates certificates)
    {
        if (certificates.Source is not { Name: var source })
        {
            return null;
        }

        if (certificates.Current is not { Set: var set })
        {
            return new CertificateReport { Source = source };
        }

        return new CertificateReport
        {
            Source = source,
            Id = set.Id.ToString(),
            NotBefore = set.NotBefore,
            NotAfter = set.NotAfter,
            Serial = set.Leaf.SerialNumber,
            Expired = certificates.HasExpired ? true : null,
            TrustDomains = [.. set.Bundles.Select(static bundle => new TrustDomainReport(bundle.TrustDomain, [.. bundle.Roots.Select(Describe)]))],
        };
    }

    private static RootReport Describe(X509Certificate2 root) =>
        new(root.GetCertHashString(HashAlgorithmName.SHA256), new DateTimeOffset(root.NotAfter.ToUniversalTime()));
}

/// <summary>The roots of a trust domain.</summary>
internal sealed record TrustDomainReport(string TrustDomain, IReadOnlyList<RootReport> Roots);

/// <param name="Sha256">The fingerprint of the certificate.</param>
/// <param name="NotAfter">Until when it is valid.</param>
internal sealed record RootReport(string Sha256, DateTimeOffset NotAfter);
