namespace Mesh.Discovery;

/// <summary>The configuration of the mesh cannot be used. Thrown at start only: later the last good configuration stays.</summary>
public sealed class MeshConfigurationException : Exception
{
    /// <summary>Lists all errors, one a line.</summary>
    /// <param name="errors">Each with its place, the value and what is allowed.</param>
    public MeshConfigurationException(IReadOnlyList<string> errors)
        : base(CreateMessage(errors)) => Errors = errors;

    /// <summary>Each with its place, the value and what is allowed.</summary>
    public IReadOnlyList<string> Errors { get; }

    private static string CreateMessage(IReadOnlyList<string> errors)
    {
        ArgumentNullException.ThrowIfNull(errors);
        var count = errors.Count == 1 ? "1 error" : $"{errors.Count} errors";
        return $"The mesh configuration has {count}:{Environment.NewLine}  {string.Join(Environment.NewLine + "  ", errors)}";
    }
}
