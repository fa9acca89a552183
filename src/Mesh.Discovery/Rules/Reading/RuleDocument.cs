namespace Mesh.Discovery.Rules.Reading;

/// <summary>What became of one document.</summary>
/// <param name="Rule">The rule; <see langword="null"/> if it has errors or is none of ours.</param>
/// <param name="Issues">What was found.</param>
internal sealed record RuleDocument(RuleConfig? Rule, IReadOnlyList<RuleIssue> Issues);
