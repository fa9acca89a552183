using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Security.Authorization;

/// <summary>
/// Principals and trust domains. <c>cluster.local</c>, the own trust domain and its aliases all mean each other, as in Istio.
/// </summary>
internal sealed class PrincipalCondition : Condition
{
    /// <summary>Istio's name for the own trust domain, whatever that is.</summary>
    private const string Own = "cluster.local";

    private readonly Pattern[] _patterns;
    private readonly IReadOnlyList<string> _aliases;

    public PrincipalCondition(AuthorizationAttribute attribute, IReadOnlyList<string> values, IReadOnlyList<string> aliases, bool isNot, bool isDenying)
        : base(isNot, isDenying)
    {
        _aliases = aliases;
        _patterns = [.. values.Select(value => Pattern.Create(value, attribute == AuthorizationAttribute.TrustDomain, IsLenient))];
    }

    protected override bool Matches(in RequestFacts request)
    {
        if (request.Peer is not { } peer)
        {
            return false;
        }

        foreach (var pattern in _patterns)
        {
            if ((pattern.TrustDomain is null || IsSame(pattern.TrustDomain, peer.TrustDomain, request.TrustDomain))
                && (pattern.Rest is null || pattern.Rest.Matches(pattern.TrustDomain is null && !pattern.IsTrustDomain ? peer.Principal
                    : pattern.IsTrustDomain ? peer.TrustDomain : peer.Path)))
            {
                return true;
            }
        }

        return false;
    }

    private bool IsSame(string written, string peers, string? own) =>
        IsOwn(written, own) || written == Own ? IsOwn(peers, own) : written == peers;

    private bool IsOwn(string trustDomain, string? own)
    {
        if (trustDomain == own)
        {
            return true;
        }

        foreach (var alias in _aliases)
        {
            if (trustDomain.Equals(alias, StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }

    /// <param name="TrustDomain">Where it is written out; null where it is a part of <paramref name="Rest"/>.</param>
    /// <param name="Rest">The path; the whole principal or trust domain where that is not written out.</param>
    /// <param name="IsTrustDomain">Whether only the trust domain is looked at.</param>
    private sealed record Pattern(string? TrustDomain, StringMatcher? Rest, bool IsTrustDomain)
    {
        public static Pattern Create(string value, bool isTrustDomain, bool ignoreCase)
        {
            var slash = value.IndexOf('/');
            if (isTrustDomain)
            {
                return value.Contains('*')
                    ? new Pattern(null, Text(value.ToLowerInvariant(), ignoreCase), true)
                    : new Pattern(value.ToLowerInvariant(), null, true);
            }

            return slash < 0 || value.AsSpan(0, slash).Contains('*')
                ? new Pattern(null, Text(value, ignoreCase), false)
                : new Pattern(value[..slash].ToLowerInvariant(), Text(value[slash..], ignoreCase), false);
        }

        private static StringMatcher Text(string value, bool ignoreCase) => TextMatch.Create([value], ignoreCase, default)[0];
    }
}
