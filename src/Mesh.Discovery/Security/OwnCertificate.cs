using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace Mesh.Discovery.Security;

/// <summary>Looks at the own certificate as peers will.</summary>
internal static class OwnCertificate
{
    /// <summary>Why a peer that trusts the same roots would refuse it; null if none would, as a client or as a server.</summary>
    public static string? ProblemOf(CertificateSet set, TimeProvider time)
    {
        var verifier = new PeerVerifier(set, time);
        using var chain = new X509Chain { ChainPolicy = verifier.CreatePolicy() };
        chain.ChainPolicy.ApplicationPolicy.Add(TlsUsages.Server);
        chain.ChainPolicy.ApplicationPolicy.Add(TlsUsages.Client);
        var errors = chain.Build(set.Leaf) ? SslPolicyErrors.None : SslPolicyErrors.RemoteCertificateChainErrors;
        var verdict = verifier.Verify(set.Leaf, chain, errors);
        foreach (var element in chain.ChainElements)
        {
            element.Certificate.Dispose();
        }

        return verdict.Reason switch
        {
            null => null,
            PeerReasons.UnknownAuthority => $"{verdict.Detail}: no chain of certificates leads from it to one of the roots, which have to be self-signed",
            PeerReasons.WrongUsage => $"{verdict.Detail}: it needs the extended key usages of clients and of servers",
            _ => verdict.Detail,
        };
    }
}
