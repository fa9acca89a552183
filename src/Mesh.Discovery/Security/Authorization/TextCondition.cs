using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Security.Authorization;

/// <summary>Namespace, request principal, server name: texts with one reading.</summary>
internal sealed class TextCondition(AuthorizationAttribute attribute, IReadOnlyList<string> values, SourceLocation location, bool isNot, bool isDenying)
    : Condition(isNot, isDenying)
{
    private readonly StringMatcher[] _values = TextMatch.Create(
        values, ignoreCase: isNot != isDenying && attribute != AuthorizationAttribute.RequestPrincipal, location);

    protected override bool Matches(in RequestFacts request)
    {
        var text = attribute switch
        {
            AuthorizationAttribute.Namespace => request.Peer?.Namespace,
            AuthorizationAttribute.ServerName => request.ServerName,
            _ => request.Principal,
        };
        return !string.IsNullOrEmpty(text) && TextMatch.Any(_values, text);
    }
}
