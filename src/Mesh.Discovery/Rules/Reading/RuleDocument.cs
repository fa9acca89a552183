namespace Mesh.Discovery.Rules.Reading;

/// <summary>What became of one document.</summary>
/// <param name="Identity">Kind, namespace and name; empty if they could not be read.</param>
/// <param name="Rule">The rule; <see langword="null"/> if it has errors or is none of ours.</param>
/// <param name="Issues">What was found.</param>
internal sealed record RuleDocument(string Identity, RuleConfig? Rule, IReadOnlyList<RuleIssue> Issues)
{
    public bool HasErrors => Issues.Any(static issue => issue.Severity == IssueSeverity.Error);
}
