using System.Collections.Concurrent;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

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
    private const int MaxRemembered = 64;

    private readonly IReadOnlyList<TrustBundle> _bundles;
    private readonly X509Certificate2Collection _roots = [];
    private readonly X509Certificate2Collection _own;
    private readonly TimeProvider _time;

    /// <summary>
    /// Intermediates of peers, which a resumed handshake does not send again. Only such as were part of a good chain get here.
    /// </summary>
    private readonly ConcurrentDictionary<string, X509Certificate2> _seen = new(StringComparer.Ordinal);

    public PeerVerifier(CertificateSet set, TimeProvider time)
    {
        _bundles = set.Bundles;
        foreach (var bundle in set.Bundles)
        {
            _roots.AddRange(bundle.Roots.ToArray());
        }

        _own = [.. set.Intermediates];
        _time = time;
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
        foreach (var intermediate in _seen.Values)
        {
            policy.ExtraStore.Add(intermediate);
        }

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
        var who = id?.ToString() ?? certificate.Subject;
        if ((errors & ~SslPolicyErrors.RemoteCertificateNameMismatch) != 0)
        {
            return OfChain(certificate, chain, who);
        }

        foreach (var element in chain.ChainElements)
        {
            if (IsWeak(element.Certificate))
            {
                return PeerVerdict.Refuse(
                    PeerReasons.WeakKey, $"the certificate of {who} rests on a weak key ({element.Certificate.Subject}); RSA needs {MinRsaBits} bits, ECDSA {MinEcBits}");
            }
        }

        if (id is null)
        {
            return PeerVerdict.Refuse(PeerReasons.NoIdentity, $"the certificate of {who} {problem}");
        }

        if (certificate.Extensions.OfType<X509BasicConstraintsExtension>().Any(static constraints => constraints.CertificateAuthority))
        {
            return PeerVerdict.Refuse(PeerReasons.WrongUsage, $"the certificate of {who} is that of an authority");
        }

        var root = chain.ChainElements[^1].Certificate;
        if (!_bundles.Any(bundle => bundle.TrustDomain == id.TrustDomain && bundle.Roots.Any(known => known.RawDataMemory.Span.SequenceEqual(root.RawDataMemory.Span))))
        {
            return PeerVerdict.Refuse(
                PeerReasons.WrongTrustDomain, $"the root of {who} ({root.Subject}) is not one of the trust domain {id.TrustDomain}");
        }

        Remember(chain);
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
                    : $"the certificate of {who} was not issued by a known authority, or an intermediate is missing (issuer: {certificate.Issuer})");
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

    private void Remember(X509Chain chain)
    {
        for (var i = 1; i < chain.ChainElements.Count - 1 && _seen.Count < MaxRemembered; i++)
        {
            var intermediate = chain.ChainElements[i].Certificate;
            if (!_seen.ContainsKey(intermediate.Thumbprint))
            {
                // The chain disposes of its own copies.
                _seen.TryAdd(intermediate.Thumbprint, X509CertificateLoader.LoadCertificate(intermediate.RawData));
            }
        }
    }
}
