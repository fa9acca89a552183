namespace Mesh.Discovery.Runtime.Balancing;

/// <summary>
/// Istio's localities in rules: <c>region/zone/subzone</c>, where <c>*</c> or nothing stands for all that is narrower.
/// </summary>
internal static class LocalityPattern
{
    public const string Allowed = "region, region/zone or region/zone/subzone, where the last part may be *, or * alone";

    public static bool IsValid(string pattern)
    {
        var parts = pattern.Split('/');
        return parts.Length <= 3 && parts.All(static part => part.Length > 0)
            && !parts.Take(parts.Length - 1).Any(static part => part.Contains('*'))
            && (parts[^1] == "*" || !parts[^1].Contains('*'));
    }

    public static bool Matches(string pattern, Locality locality)
    {
        var parts = Parts(pattern);
        return (parts.Length < 1 || parts[0] == locality.Region) && (parts.Length < 2 || parts[1] == locality.Zone)
            && (parts.Length < 3 || parts[2] == locality.SubZone);
    }

    /// <summary>Whether a locality can fit both.</summary>
    public static bool Overlap(string one, string other)
    {
        var (a, b) = (Parts(one), Parts(other));
        var common = Math.Min(a.Length, b.Length);
        return a.AsSpan(0, common).SequenceEqual(b.AsSpan(0, common));
    }

    private static string[] Parts(string pattern)
    {
        var parts = pattern.Split('/');
        return parts[^1] == "*" ? parts[..^1] : parts;
    }
}
