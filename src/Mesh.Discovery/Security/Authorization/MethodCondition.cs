using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Security.Authorization;

/// <summary>The method, and those that headers ask for in its place.</summary>
internal sealed class MethodCondition(IReadOnlyList<string> values, SourceLocation location, bool isNot, bool isDenying) : Condition(isNot, isDenying)
{
    /// <summary>What frameworks read, ASP.NET's HttpMethodOverride among them.</summary>
    public static readonly string[] OverrideHeaders = ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"];

    private readonly StringMatcher[] _values = TextMatch.Create(values, ignoreCase: isNot != isDenying, location);

    protected override bool Matches(in RequestFacts request)
    {
        if (TextMatch.Any(_values, request.Method) == IsLenient)
        {
            return IsLenient;
        }

        foreach (var method in request.MethodOverrides)
        {
            if (!string.IsNullOrEmpty(method) && TextMatch.Any(_values, method.AsSpan().Trim()) == IsLenient)
            {
                return IsLenient;
            }
        }

        return !IsLenient;
    }
}
