using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Runtime;

/// <summary>
/// Holds what every source published last, and which of it is in use. A bad document is refused, not the rest: where one
/// is bad its last good version stays, and where even that does not fit the others any more, the change that
/// broke it is held back.
/// </summary>
/// <remarks>Not safe for concurrent use.</remarks>
internal sealed class RuleBook(RuleCompiler compiler)
{
    private readonly List<Source> _sources = [];
    private List<SourcedRule> _accepted = [];
    private CompiledRules? _compiled;

    /// <summary>Everything that is wrong with what the sources say now.</summary>
    public IReadOnlyList<RuleIssue> Issues { get; private set; } = [];

    /// <summary>The rules in use.</summary>
    public CompiledRules? Compiled => _compiled;

    /// <summary>All documents in use, with their state.</summary>
    public IReadOnlyList<RuleStatus> Status =>
        [.. _accepted.Select(rule => new RuleStatus(
            rule.Rule, rule.Source.Name, rule.Source.Precedence, _compiled!.InEffect.Contains(rule.Rule)))];

    public void AddSource(string name, int precedence) => _sources.Add(new Source(name, precedence));

    /// <summary>Takes what a source says now; to be compiled after.</summary>
    public void Publish(string source, RuleBatch batch)
    {
        var publisher = _sources.Single(s => s.Name == source);
        publisher.Batch = batch;
        publisher.IsRead = true;
    }

    /// <summary>Compiles what the sources say now, as far as it is good.</summary>
    /// <param name="isFirst">Whether there is nothing to fall back to: then any error in a local rule refuses everything.</param>
    /// <returns>Whether <see cref="Compiled"/> is new.</returns>
    public bool Compile(bool isFirst)
    {
        var issues = new IssueList();
        foreach (var issue in _sources.SelectMany(static source => source.Batch.Issues))
        {
            issues.Add(issue);
        }

        var candidate = new List<SourcedRule>();
        foreach (var source in _sources)
        {
            candidate.AddRange(source.Batch.Rules.Select(rule => new SourcedRule(rule, source)));
        }

        RestoreUnreadable(candidate);
        var compiled = Compile(candidate);
        Collect(compiled, issues);
        if (isFirst)
        {
            return CompileFirst(candidate, compiled, issues);
        }

        // Each round replaces the documents that are still bad by their last good version, or leaves them out. A document
        // that is bad in its last good version too (another one that it refers to has changed) ends the search: then the
        // change that broke it must be found.
        while (compiled.Issues.ErrorCount > 0)
        {
            if (!ReplaceBad(candidate, compiled.Issues))
            {
                var isNew = AcceptOneByOne(candidate, issues);
                Issues = issues.Issues;
                return isNew;
            }

            compiled = Compile(candidate);
            Collect(compiled, issues);
        }

        Issues = issues.Issues;
        return Accept(candidate, compiled);
    }

    /// <summary>
    /// The author of a local rule is there to mend it, so an error keeps the host from starting. A shared one must not keep
    /// every process of the mesh from starting: it is left out, and so is a local one that does not fit what is left while
    /// some of the shared rules are bad or not there yet.
    /// </summary>
    private bool CompileFirst(List<SourcedRule> candidate, CompiledRules compiled, IssueList issues)
    {
        while (compiled.Issues.ErrorCount > 0
            && candidate.RemoveAll(rule => rule.Source.IsShared && HasError(compiled.Issues.Issues, rule.Rule)) > 0)
        {
            compiled = Compile(candidate);
            Collect(compiled, issues);
        }

        if (_sources.Exists(source => source.IsShared && (!source.IsRead || IsIncomplete(source, candidate))))
        {
            while (compiled.Issues.ErrorCount > 0
                && candidate.RemoveAll(rule => LacksOthersOnly(compiled.Issues.Issues, rule.Rule)) > 0)
            {
                compiled = Compile(candidate);
                Collect(compiled, issues);
            }
        }

        Issues = issues.Issues;
        var isLocalGood = !_sources.Exists(static source =>
            !source.IsShared && source.Batch.Issues.Any(static issue => issue.Severity == IssueSeverity.Error));
        return isLocalGood && compiled.Issues.ErrorCount == 0 && Accept(candidate, compiled);
    }

    private static bool LacksOthersOnly(IReadOnlyList<RuleIssue> issues, RuleConfig rule) =>
        HasError(issues, rule)
        && issues.All(issue => issue.Severity != IssueSeverity.Error || issue.IsMissing || !IsAbout(issue, rule));

    private static bool IsIncomplete(Source source, List<SourcedRule> candidate) =>
        source.Batch.Issues.Any(static issue => issue.Severity == IssueSeverity.Error)
        || candidate.Count(rule => rule.Source == source) < source.Batch.Rules.Count;

    private static bool HasError(IReadOnlyList<RuleIssue> issues, RuleConfig rule) =>
        issues.Any(issue => issue.Severity == IssueSeverity.Error && IsAbout(issue, rule));

    /// <summary>
    /// Tries each change of its own, so that one that breaks documents which did not change holds back itself and not the
    /// others. What others refer to comes first when it is added, and last when it is removed.
    /// </summary>
    private bool AcceptOneByOne(List<SourcedRule> wanted, IssueList issues)
    {
        var isNew = false;
        foreach (var change in wanted.Where(rule => !_accepted.Exists(good => ReferenceEquals(good.Rule, rule.Rule)))
            .OrderBy(static rule => Order(rule.Rule)).ToList())
        {
            isNew |= TryChange(
                [.. _accepted.Where(rule => rule.Source != change.Source || !IsSame(rule.Rule, change.Rule)), change], change, issues);
        }

        foreach (var gone in _accepted.Where(good => !wanted.Exists(rule => rule.Source == good.Source && IsSame(rule.Rule, good.Rule)))
            .OrderByDescending(static rule => Order(rule.Rule)).ToList())
        {
            isNew |= TryChange([.. _accepted.Where(rule => rule != gone)], gone, issues);
        }

        return isNew;

        static int Order(RuleConfig rule) => rule switch
        {
            ServiceEntryConfig => 0,
            DestinationRuleConfig => 1,
            VirtualServiceConfig { Hosts.Count: 0 } => 2,
            _ => 3,
        };
    }

    private bool TryChange(List<SourcedRule> rules, SourcedRule change, IssueList issues)
    {
        var compiled = Compile(rules);
        if (compiled.Issues.ErrorCount == 0)
        {
            return Accept(rules, compiled);
        }

        var broken = compiled.Issues.Issues.First(static issue => issue.Severity == IssueSeverity.Error);
        issues.Add(new RuleIssue(IssueSeverity.Error, change.Rule.Location, $"the change is held back, because of {broken}"));
        return false;
    }

    /// <summary>What is in use comes first, so that of two that clash the newcomer is the one to blame.</summary>
    private CompiledRules Compile(List<SourcedRule> rules)
    {
        var inUse = new HashSet<RuleConfig>(_accepted.Select(static rule => rule.Rule), ReferenceEqualityComparer.Instance);
        return compiler.Compile(
            [.. rules.OrderBy(rule => inUse.Contains(rule.Rule) ? 0 : 1)
                .Select(static rule => new PlacedRule(rule.Rule, rule.Source.Precedence))]);
    }

    private static void Collect(CompiledRules compiled, IssueList issues)
    {
        foreach (var issue in compiled.Issues.Issues)
        {
            issues.Add(issue);
        }
    }

    private bool Accept(List<SourcedRule> rules, CompiledRules compiled)
    {
        _accepted = rules;
        _compiled = compiled;
        return true;
    }

    /// <summary>Documents that could not be read at all are not in the batch: their last good versions join it.</summary>
    private void RestoreUnreadable(List<SourcedRule> candidate)
    {
        foreach (var source in _sources)
        {
            foreach (var issue in source.Batch.Issues.Where(static issue => issue.Severity == IssueSeverity.Error))
            {
                foreach (var good in _accepted.Where(rule => rule.Source == source && IsAbout(issue, rule.Rule)))
                {
                    if (!candidate.Exists(rule => rule.Source == source && IsSame(rule.Rule, good.Rule)))
                    {
                        candidate.Add(good);
                    }
                }
            }
        }
    }

    private bool ReplaceBad(List<SourcedRule> candidate, IssueList issues)
    {
        var changed = false;
        foreach (var issue in issues.Issues.Where(static issue => issue.Severity == IssueSeverity.Error))
        {
            for (var i = candidate.Count - 1; i >= 0; i--)
            {
                var bad = candidate[i];
                if (!IsAbout(issue, bad.Rule))
                {
                    continue;
                }

                var good = _accepted.Find(rule => rule.Source == bad.Source && IsSame(rule.Rule, bad.Rule));
                if (good is null)
                {
                    candidate.RemoveAt(i);
                    changed = true;
                }
                else if (!ReferenceEquals(good.Rule, bad.Rule))
                {
                    if (candidate.Exists(rule => ReferenceEquals(rule.Rule, good.Rule)))
                    {
                        candidate.RemoveAt(i);
                    }
                    else
                    {
                        candidate[i] = good;
                    }

                    changed = true;
                }
            }
        }

        return changed;
    }

    /// <summary>
    /// An issue without a document is about everything of its origin. A rule without lines is from the configuration,
    /// where each value may have another origin than the rule's first one.
    /// </summary>
    private static bool IsAbout(RuleIssue issue, RuleConfig rule) => issue.Location.Document.Length == 0
        ? issue.Location.Origin == rule.Location.Origin
        : issue.Location.Document == rule.Location.Document
            && (issue.Location.Origin == rule.Location.Origin || rule.Location.Line == 0);

    /// <summary>Whatever file they are in: a document may move to another one.</summary>
    private static bool IsSame(RuleConfig one, RuleConfig other) =>
        one.Kind == other.Kind && one.Namespace == other.Namespace && one.Name == other.Name;

    private sealed class Source(string name, int precedence)
    {
        public string Name { get; } = name;

        public int Precedence { get; } = precedence;

        public bool IsShared => Precedence > RulePrecedence.Local;

        public bool IsRead { get; set; }

        public RuleBatch Batch { get; set; } = RuleBatch.Empty;
    }

    private sealed record SourcedRule(RuleConfig Rule, Source Source);
}
