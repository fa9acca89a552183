namespace Mesh.Client.Pipeline;

/// <summary>How the priority of a request travels.</summary>
internal static class PriorityHeader
{
    public const string Name = "x-mesh-priority";

    /// <summary>The header's value; null if the priority needs none.</summary>
    public static string? Format(RequestPriority priority) => priority switch
    {
        RequestPriority.Critical => "critical",
        RequestPriority.Sheddable => "sheddable",
        _ => null,
    };

    /// <summary>What is unknown is <see cref="RequestPriority.Default"/>.</summary>
    public static RequestPriority Parse(ReadOnlySpan<char> value)
    {
        value = value.Trim();
        return value.Equals("critical", StringComparison.OrdinalIgnoreCase) ? RequestPriority.Critical
            : value.Equals("sheddable", StringComparison.OrdinalIgnoreCase) ? RequestPriority.Sheddable
            : RequestPriority.Default;
    }
}
