namespace Mesh.Discovery.Rules.Reading;

/// <summary>Makes one batch of the contents of several files or keys.</summary>
internal static class RuleCollector
{
    /// <summary>All rules and issues; of several rules with one name, one is taken and the others are errors.</summary>
    /// <param name="parts">In the order in which names are given away.</param>
    /// <param name="published">The batch before: a rule of it keeps its name, wherever a newcomer stands.</param>
    public static RuleBatch Collect(
        IEnumerable<(IReadOnlyList<RuleConfig> Rules, IReadOnlyList<RuleIssue> Issues)> parts, RuleBatch? published)
    {
        var rules = new List<RuleConfig>();
        var issues = new List<RuleIssue>();
        var places = new Dictionary<(string, string, string), int>();
        var before = new HashSet<RuleConfig>(published?.Rules ?? [], ReferenceEqualityComparer.Instance);
        foreach (var part in parts)
        {
            issues.AddRange(part.Issues);
            foreach (var rule in part.Rules)
            {
                var identity = (rule.Kind, rule.Namespace, rule.Name);
                if (places.TryAdd(identity, rules.Count))
                {
                    rules.Add(rule);
                    continue;
                }

                var place = places[identity];
                var (kept, refused) = before.Contains(rule) && !before.Contains(rules[place])
                    ? (rule, rules[place])
                    : (rules[place], rule);
                rules[place] = kept;
                var other = $"{kept.Location.Origin}:{kept.Location.Line}";
                issues.Add(new RuleIssue(
                    IssueSeverity.Error, refused.Location, $"the name is taken: it is also in {other}"));
            }
        }

        return new RuleBatch(rules, issues);
    }

    /// <summary>Whether nothing changed.</summary>
    public static bool IsSame(RuleBatch a, RuleBatch b) =>
        a.Issues.SequenceEqual(b.Issues)
        && a.Rules.SequenceEqual(b.Rules, ReferenceEqualityComparer.Instance);
}
