namespace Mesh.Discovery.Rules;

/// <summary>Collects everything that is wrong, so that all of it can be told at once.</summary>
internal sealed class IssueList
{
    private readonly List<RuleIssue> _issues = [];
    private readonly HashSet<RuleIssue> _known = [];

    public IReadOnlyList<RuleIssue> Issues => _issues;

    public int ErrorCount { get; private set; }

    public void Error(SourceLocation location, string message) => Add(new RuleIssue(IssueSeverity.Error, location, message));

    /// <summary>An error that another document may mend.</summary>
    public void Missing(SourceLocation location, string message) =>
        Add(new RuleIssue(IssueSeverity.Error, location, message) { IsMissing = true });

    public void Warning(SourceLocation location, string message) => Add(new RuleIssue(IssueSeverity.Warning, location, message));

    /// <summary>Takes the issue unless it is already known.</summary>
    public void Add(RuleIssue issue)
    {
        if (_known.Add(issue))
        {
            _issues.Add(issue);
            ErrorCount += issue.Severity == IssueSeverity.Error ? 1 : 0;
        }
    }
}
