using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Security.Authorization;

/// <summary>Istio's texts: <c>x</c>, <c>x*</c>, <c>*x</c>, and <c>*</c> for anything that is there.</summary>
internal static class TextMatch
{
    public static (StringMatchKind Kind, string Text) Parse(string value)
    {
        if (value == "*")
        {
            return (StringMatchKind.Present, "");
        }

        // In this order: Istio takes *x* for all that ends with "x*".
        return value.StartsWith('*') ? (StringMatchKind.Suffix, value[1..])
            : value.EndsWith('*') ? (StringMatchKind.Prefix, value[..^1])
            : (StringMatchKind.Exact, value);
    }

    public static StringMatcher[] Create(IReadOnlyList<string> values, bool ignoreCase, SourceLocation location) =>
        [.. values.Select(value =>
        {
            var (kind, text) = Parse(value);
            return StringMatcher.Create(new StringMatchConfig(kind, text, location), ignoreCase, new IssueList())!;
        })];

    public static bool Any(StringMatcher[] matchers, ReadOnlySpan<char> text)
    {
        foreach (var matcher in matchers)
        {
            if (matcher.Matches(text))
            {
                return true;
            }
        }

        return false;
    }
}
