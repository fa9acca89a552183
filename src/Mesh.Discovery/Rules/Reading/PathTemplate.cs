namespace Mesh.Discovery.Rules.Reading;

/// <summary>Paths with <c>{*}</c> for one segment and <c>{**}</c> for any (Istio 1.22).</summary>
internal static class PathTemplate
{
    public const string One = "{*}";
    public const string Any = "{**}";

    public static bool IsTemplate(string path) =>
        path.Contains(One, StringComparison.Ordinal) || path.Contains(Any, StringComparison.Ordinal);

    /// <summary>What is wrong with it, as Istio and Envoy see it; null if nothing is.</summary>
    public static string? Validate(string path)
    {
        if (!path.StartsWith('/'))
        {
            return "has {*} or {**} and does not begin with '/'";
        }

        var hasAny = false;
        foreach (var segment in path.Split('/'))
        {
            if (hasAny && segment is One or Any)
            {
                return "has {*} or {**} after a {**}, which must be the last of them";
            }

            hasAny |= segment == Any;
            if (segment is not (One or Any) && segment.AsSpan().ContainsAny('*', '{', '}'))
            {
                return "has '*', '{' or '}' beside {*} and {**}; each of them is a whole segment";
            }
        }

        return null;
    }
}
