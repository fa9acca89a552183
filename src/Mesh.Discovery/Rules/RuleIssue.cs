namespace Mesh.Discovery.Rules;

/// <summary>Something wrong with a rule.</summary>
/// <param name="Severity">Whether the document is refused.</param>
/// <param name="Location">Where.</param>
/// <param name="Message">What is wrong, the value, and what is allowed.</param>
internal sealed record RuleIssue(IssueSeverity Severity, SourceLocation Location, string Message)
{
    /// <summary>Whether the document is good in itself, and something is missing that another one has to define.</summary>
    public bool IsMissing { get; init; }

    public override string ToString() => $"{Location}: {Message}";
}

/// <summary>How bad an issue is.</summary>
internal enum IssueSeverity
{
    /// <summary>The document is used; a part of it has no effect.</summary>
    Warning,

    /// <summary>The document is refused.</summary>
    Error,
}
