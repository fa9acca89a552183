using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Mesh.Discovery.Rules.Reading;

namespace Mesh.Discovery.Security;

/// <summary>
/// Decides whether a peer's certificate proves who it is: a chain to a root of the bundle of the trust domain that it claims, valid
/// now, for this use, with a key that is not weak, and exactly one SPIFFE ID (X.509-SVID, section 5).
/// </summary>
/// <remarks>Made for one <see cref="CertificateSet"/>. Safe for concurrent use.</remarks>
internal sealed class PeerVerifier
{
    private const int MinRsaBits = 2048;
    private const int MinEcBits = 256;

    /// <summary>Of an identity in messages: a peer may make it long.</summary>
    private const int MaxId = 256;

    private readonly IReadOnlyList<TrustBundle> _bundles;
    private readonly X509Certificate2Collection _roots = [];
    private readonly X509Certificate2Collection _own;
    private readonly TimeProvider _time;
    private readonly KnownIntermediates _known;

    /// <param name="set">Whom to believe.</param>
    /// <param name="time">The clock by which certificates are valid.</param>
    /// <param name="known">Intermediates of earlier handshakes.</param>
    public PeerVerifier(CertificateSet set, TimeProvider time, KnownIntermediates? known = null)
    {
        _bundles = set.Bundles;
        foreach (var bundle in set.Bundles)
        {
            _roots.AddRange(bundle.Roots.ToArray());
        }

        _own = [.. set.Intermediates];
        _time = time;
        _known = known ?? new KnownIntermediates();
    }

    /// <summary>How <see cref="SslStream"/> builds the peer's chain.</summary>
    public X509ChainPolicy CreatePolicy()
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
            VerificationTime = _time.GetUtcNow().UtcDateTime.ToLocalTime(),
            VerificationTimeIgnored = false,
        };
        policy.CustomTrustStore.AddRange(_roots);
        policy.ExtraStore.AddRange(_own);
        policy.ExtraStore.AddRange(_known.All);
        return policy;
    }

    /// <summary>Looks at the chain that was built by <see cref="CreatePolicy"/>.</summary>
    /// <param name="certificate">The peer's certificate; null if it sent none.</param>
    /// <param name="chain">Its chain.</param>
    /// <param name="errors">What the runtime found. Names are not its business: identities take their place.</param>
    public PeerVerdict Verify(X509Certificate2? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (certificate is null || chain is null || (errors & SslPolicyErrors.RemoteCertificateNotAvailable) != 0)
        {
            return PeerVerdict.Refuse(PeerReasons.NoCertificate, "the peer sent no certificate");
        }

        var id = SubjectNames.IdOf(certificate, out var problem);
        var who = id is null ? RuleText.Quote(certificate.Subject) : RuleText.Cut(id.ToString(), MaxId);
        if ((errors & ~SslPolicyErrors.RemoteCertificateNameMismatch) != 0)
        {
            return OfChain(certificate, chain, who);
        }

        foreach (var element in chain.ChainElements)
        {
            if (IsWeak(element.Certificate))
            {
                return PeerVerdict.Refuse(
                    PeerReasons.WeakKey, $"the certificate of {who} rests on a weak key ({RuleText.Quote(element.Certificate.Subject)}); RSA needs {MinRsaBits} bits, ECDSA {MinEcBits}");
            }
        }

        if (id is null)
        {
            return PeerVerdict.Refuse(PeerReasons.NoIdentity, $"the certificate of {who} {problem}");
        }

        if (MaySign(certificate))
        {
            return PeerVerdict.Refuse(PeerReasons.WrongUsage, $"the certificate of {who} is that of an authority");
        }

        var root = chain.ChainElements[^1].Certificate;
        if (!_bundles.Any(bundle => bundle.TrustDomain == id.TrustDomain && bundle.Roots.Any(known => known.RawDataMemory.Span.SequenceEqual(root.RawDataMemory.Span))))
        {
            return PeerVerdict.Refuse(
                PeerReasons.WrongTrustDomain, $"the root of {who} ({RuleText.Quote(root.Subject)}) is not one of the trust domain {id.TrustDomain}");
        }

        _known.Remember(chain);
        return PeerVerdict.Of(id);
    }

    /// <summary>Why a chain was not accepted.</summary>
    public static PeerVerdict OfChain(X509Certificate2 certificate, X509Chain chain, string who)
    {
        var status = X509ChainStatusFlags.NoError;
        foreach (var one in chain.ChainStatus)
        {
            status |= one.Status;
        }

        if ((status & (X509ChainStatusFlags.UntrustedRoot | X509ChainStatusFlags.PartialChain)) != 0)
        {
            return PeerVerdict.Refuse(
                PeerReasons.UnknownAuthority,
                certificate.SubjectName.RawData.AsSpan().SequenceEqual(certificate.IssuerName.RawData)
                    ? $"the certificate of {who} is self-signed"
                    : $"the certificate of {who} was not issued by a known authority, or an intermediate is missing (issuer: {RuleText.Quote(certificate.Issuer)})");
        }

        if ((status & (X509ChainStatusFlags.NotTimeValid | X509ChainStatusFlags.NotTimeNested)) != 0)
        {
            var (early, late) = (chain.ChainPolicy.VerificationTime < certificate.NotBefore, chain.ChainPolicy.VerificationTime > certificate.NotAfter);
            return early
                ? PeerVerdict.Refuse(PeerReasons.NotYetValid, $"the certificate of {who} is not valid before {certificate.NotBefore.ToUniversalTime():u}")
                : PeerVerdict.Refuse(
                    PeerReasons.Expired,
                    late ? $"the certificate of {who} has expired at {certificate.NotAfter.ToUniversalTime():u}" : $"a certificate in the chain of {who} is not valid now");
        }

        if ((status & X509ChainStatusFlags.NotValidForUsage) != 0)
        {
            return PeerVerdict.Refuse(PeerReasons.WrongUsage, $"the certificate of {who} is not for this use of TLS (extended key usage)");
        }

        return PeerVerdict.Refuse(PeerReasons.InvalidChain, $"the certificate chain of {who} is not valid: {status}");
    }

    private static bool IsWeak(X509Certificate2 certificate)
    {
        using var rsa = certificate.GetRSAPublicKey();
        if (rsa is not null)
        {
            return rsa.KeySize < MinRsaBits;
        }

        using var ec = certificate.GetECDsaPublicKey();
        return ec is null || ec.KeySize < MinEcBits;
    }

    /// <summary>X.509-SVID, sections 4.1 and 4.3: what signs certificates identifies no workload.</summary>
    private static bool MaySign(X509Certificate2 certificate)
    {
        foreach (var extension in certificate.Extensions)
        {
            if (extension is X509BasicConstraintsExtension { CertificateAuthority: true }
                || (extension is X509KeyUsageExtension { KeyUsages: var usages }
                    && (usages & (X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign)) != 0))
            {
                return true;
            }
        }

        return false;
    }
}
