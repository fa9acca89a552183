using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Security.Authorization;

/// <summary>
/// Hosts, in any case as in Istio. On the denying side the port and a dot at the end may be missing or be there; on the other one the
/// host is compared as it was sent.
/// </summary>
internal sealed class HostCondition(IReadOnlyList<string> values, SourceLocation location, bool isNot, bool isDenying) : Condition(isNot, isDenying)
{
    private readonly StringMatcher[] _values = TextMatch.Create(values, ignoreCase: true, location);

    protected override bool Matches(in RequestFacts request)
    {
        var host = request.Host.AsSpan();
        if (host.IsEmpty)
        {
            return false;
        }

        if (TextMatch.Any(_values, host))
        {
            return true;
        }

        if (!IsLenient)
        {
            return false;
        }

        // The colons of an IPv6 address are inside of brackets.
        var colon = host.LastIndexOf(':');
        var name = colon > host.LastIndexOf(']') ? host[..colon] : host;
        return TextMatch.Any(_values, name) || TextMatch.Any(_values, name.TrimEnd('.'));
    }
}
