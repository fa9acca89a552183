using Mesh.Discovery;
using Mesh.Discovery.Security;

namespace Mesh.Server.Security;

/// <summary>
/// Names of workloads: principals, with <c>spiffe://</c> or without, or a part of one with <c>*</c> at its beginning or end, as in
/// Istio. A principal that is written with a name of the own trust domain means each workload of the own one and its aliases.
/// </summary>
internal sealed class PrincipalPatterns
{
    private const string Scheme = "spiffe://";

    /// <summary>A name of every mesh's own trust domain (Istio).</summary>
    private const string Default = "cluster.local";

    private readonly string[] _patterns;
    private readonly IList<string> _aliases;
    private readonly MeshCertificates _certificates;

    public PrincipalPatterns(IEnumerable<string> patterns, SecurityOptions options, MeshCertificates certificates)
    {
        _patterns = [.. patterns.Select(static text => text.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? text[Scheme.Length..] : text)];
        _aliases = options.TrustDomainAliases;
        _certificates = certificates;
    }

    public bool IsEmpty => _patterns.Length == 0;

    public bool Matches(SpiffeId id)
    {
        foreach (var pattern in _patterns)
        {
            if (Matches(pattern, id))
            {
                return true;
            }
        }

        return false;
    }

    private bool Matches(string pattern, SpiffeId id)
    {
        if (pattern.StartsWith('*'))
        {
            return pattern.Length == 1 || id.Principal.EndsWith(pattern[1..], StringComparison.Ordinal);
        }

        var isPrefix = pattern.EndsWith('*');
        var text = isPrefix ? pattern[..^1] : pattern;
        var slash = text.IndexOf('/');
        if (slash < 0)
        {
            return isPrefix && id.Principal.StartsWith(text, StringComparison.Ordinal);
        }

        var domain = text[..slash];
        var isOwn = IsOwn(domain) || domain.Equals(Default, StringComparison.OrdinalIgnoreCase);
        return (isOwn ? IsOwn(id.TrustDomain) : domain.Equals(id.TrustDomain, StringComparison.OrdinalIgnoreCase))
            && (isPrefix ? id.Path.StartsWith(text[slash..], StringComparison.Ordinal) : id.Path == text[slash..]);
    }

    private bool IsOwn(string domain) =>
        domain.Equals(_certificates.Current?.Set.Id.TrustDomain, StringComparison.OrdinalIgnoreCase)
        || _aliases.Contains(domain, StringComparer.OrdinalIgnoreCase);
}
