using Mesh.Discovery.Routing;

namespace Mesh.Discovery.Security.Authorization;

/// <summary>
/// A header. Each of its lines and all of them joined are readings; on the denying side also each element of a list with commas, since
/// lines are joined on the way.
/// </summary>
internal sealed class HeaderCondition(string name, StringMatcher[] values, bool isNot, bool isDenying) : Condition(isNot, isDenying)
{
    protected override bool Matches(in RequestFacts request)
    {
        var lines = request.Header(name);
        if (lines.Count == 0)
        {
            return false;
        }

        foreach (var line in lines)
        {
            if (TextMatch.Any(values, line) == IsLenient || (IsLenient && line is not null && line.Contains(',') && AnyElement(line)))
            {
                return IsLenient;
            }
        }

        return lines.Count > 1 && TextMatch.Any(values, string.Join(',', lines.ToArray())) == IsLenient ? IsLenient : !IsLenient;
    }

    private bool AnyElement(ReadOnlySpan<char> line)
    {
        foreach (var range in line.Split(','))
        {
            if (TextMatch.Any(values, line[range].Trim()))
            {
                return true;
            }
        }

        return false;
    }
}
