using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Security.Authorization;

/// <summary>A permission of an intention. What denies needs one reading of the request that matches, what allows needs all.</summary>
internal sealed class IntentionPermission
{
    /// <summary>Any of these, of which all parts must hold; null matches everything.</summary>
    private readonly Condition[][]? _matches;

    public IntentionPermission(IntentionPermissionConfig config, IssueList issues)
    {
        Allow = config.Allow;
        _matches = config.Match.Count == 0 ? null : [.. config.Match.Select(match => Create(match, !config.Allow, issues))];
    }

    public bool Allow { get; }

    public bool Matches(in RequestFacts request)
    {
        if (_matches is null)
        {
            return true;
        }

        foreach (var match in _matches)
        {
            if (AllHold(match, in request))
            {
                return true;
            }
        }

        return false;
    }

    private static bool AllHold(Condition[] conditions, in RequestFacts request)
    {
        foreach (var condition in conditions)
        {
            if (!condition.Holds(in request))
            {
                return false;
            }
        }

        return true;
    }

    private static Condition[] Create(RouteMatchConfig match, bool isDenying, IssueList issues)
    {
        var conditions = new List<Condition>();
        if (match.Method is { } method)
        {
            conditions.Add(new MethodCondition([method.Value], method.Location, isNot: false, isDenying));
        }

        if (match.Uri is { } uri && PathMatcher.Create(uri, isDenying, issues) is { } path)
        {
            conditions.Add(new PathCondition([path], isNot: false, isDenying));
        }

        foreach (var header in match.Headers)
        {
            Add(header, isNot: false);
        }

        foreach (var header in match.WithoutHeaders)
        {
            Add(header, isNot: true);
        }

        return [.. conditions];

        void Add(NamedMatchConfig header, bool isNot)
        {
            if (StringMatcher.Create(header.Match, ignoreCase: false, issues) is { } matcher)
            {
                conditions.Add(new HeaderCondition(header.Name, [matcher], isNot, isDenying));
            }
        }
    }
}
