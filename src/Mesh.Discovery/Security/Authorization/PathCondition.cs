namespace Mesh.Discovery.Security.Authorization;

/// <summary>Paths, in all of their readings.</summary>
internal sealed class PathCondition(PathMatcher[] values, bool isNot, bool isDenying) : Condition(isNot, isDenying)
{

    protected override bool Matches(in RequestFacts request)
    {
        var path = request.Path;
        for (var reading = 0; reading < path.Count; reading++)
        {
            if (MatchesAny(path[reading], reading) == IsLenient)
            {
                return IsLenient;
            }
        }

        return !IsLenient;
    }

    private bool MatchesAny(string path, int reading)
    {
        foreach (var value in values)
        {
            if (value.Matches(path, reading))
            {
                return true;
            }
        }

        return false;
    }
}
