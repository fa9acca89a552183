using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Security;

namespace Mesh.Client.Security;

/// <summary>Looks at who answers, in one handshake.</summary>
internal sealed class PeerCheck(TlsPlan plan)
{
    /// <summary>Why the peer is refused; null if it is not.</summary>
    public PeerVerdict? Refusal { get; private set; }

    /// <summary>Until when the peer's certificate is valid.</summary>
    public DateTimeOffset? PeerNotAfter { get; private set; }

    public bool Verify(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        var peer = certificate as X509Certificate2;
        var verdict = plan.Mode == TlsMode.Mesh ? OfMesh(peer, chain, errors) : OfOthers(peer, chain, errors);
        if (verdict is { Reason: not null })
        {
            Refusal = verdict;
            return false;
        }

        PeerNotAfter = peer is null || plan.Settings.InsecureSkipVerify ? null : new DateTimeOffset(peer.NotAfter.ToUniversalTime());
        return true;
    }

    private PeerVerdict OfMesh(X509Certificate2? peer, X509Chain? chain, SslPolicyErrors errors)
    {
        var verdict = plan.Trust!.Verifier.Verify(peer, chain, errors);
        return verdict.Id is not { } id || IsExpected(peer!, [id.ToString()]) ? verdict
            : PeerVerdict.Refuse(PeerReasons.WrongService, $"{id} answered");
    }

    private PeerVerdict OfOthers(X509Certificate2? peer, X509Chain? chain, SslPolicyErrors errors)
    {
        if (plan.Settings.InsecureSkipVerify)
        {
            return default;
        }

        if (peer is null || chain is null || (errors & SslPolicyErrors.RemoteCertificateNotAvailable) != 0)
        {
            return PeerVerdict.Refuse(PeerReasons.NoCertificate, "the peer sent no certificate");
        }

        if ((errors & SslPolicyErrors.RemoteCertificateChainErrors) != 0)
        {
            return PeerVerifier.OfChain(peer, chain, peer.Subject);
        }

        var isNamed = plan.Names.Count > 0
            ? IsExpected(peer, SubjectNames.UrisOf(peer))
            : (errors & SslPolicyErrors.RemoteCertificateNameMismatch) == 0;
        return isNamed ? default : PeerVerdict.Refuse(TlsReasons.WrongName, $"the certificate of {peer.Subject} is for others");
    }

    private bool IsExpected(X509Certificate2 peer, IReadOnlyList<string> uris)
    {
        foreach (var name in plan.Names)
        {
            if (uris.Contains(name, StringComparer.Ordinal) || HasDnsName(peer, name))
            {
                return true;
            }
        }

        return false;
    }

    private static bool HasDnsName(X509Certificate2 peer, string name) =>
        name.StartsWith('*')
            ? peer.Extensions.OfType<X509SubjectAlternativeNameExtension>()
                .Any(names => names.EnumerateDnsNames().Contains(name, StringComparer.OrdinalIgnoreCase))
            : Uri.CheckHostName(name) != UriHostNameType.Unknown && peer.MatchesHostname(name, allowCommonName: false);
}
