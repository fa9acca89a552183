using System.Security.Cryptography.X509Certificates;

namespace Mesh.Discovery.Security;

/// <summary>
/// Intermediates of peers, which a resumed handshake does not send again. Only such as were part of a good chain get here.
/// They outlive the <see cref="CertificateSet"/>: being known makes nothing trusted.
/// </summary>
/// <remarks>Safe for concurrent use.</remarks>
internal sealed class KnownIntermediates
{
    private const int Max = 64;

    private readonly Lock _lock = new();
    private volatile X509Certificate2[] _known = [];

    public X509Certificate2[] All => _known;

    /// <summary>Takes the intermediates of a good chain. The oldest make room.</summary>
    public void Remember(X509Chain chain)
    {
        for (var i = 1; i < chain.ChainElements.Count - 1; i++)
        {
            var intermediate = chain.ChainElements[i].Certificate;
            if (Has(intermediate))
            {
                continue;
            }

            lock (_lock)
            {
                if (!Has(intermediate))
                {
                    // The chain disposes of its own copies. Those that have to go may be in use: the finalizer takes them.
                    var known = _known;
                    _known = [.. known.Length < Max ? known : known[1..], X509CertificateLoader.LoadCertificate(intermediate.RawData)];
                }
            }
        }
    }

    private bool Has(X509Certificate2 certificate)
    {
        foreach (var known in _known)
        {
            if (known.RawDataMemory.Span.SequenceEqual(certificate.RawDataMemory.Span))
            {
                return true;
            }
        }

        return false;
    }
}
