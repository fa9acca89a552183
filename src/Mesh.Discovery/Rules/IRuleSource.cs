namespace Mesh.Discovery.Rules;

/// <summary>Where rules come from. A source never touches the data path.</summary>
internal interface IRuleSource
{
    /// <summary>How errors and <c>/mesh/config</c> name it.</summary>
    string Name { get; }

    /// <summary>Of two rules for one host the one from the source with the higher number wins. Local sources: 0.</summary>
    int Precedence { get; }

    /// <summary>
    /// Publishes all of the source's rules: once at the start (a local source before its first await, so that the host
    /// can refuse to start), then again after each change, one call at a time, until cancelled.
    /// </summary>
    /// <remarks>A document that did not change is published as the same object, which spares its compilation.</remarks>
    Task WatchAsync(Action<RuleBatch> publish, CancellationToken stop);
}

/// <summary>All of a source's rules at one moment, with what was wrong with those that could not be read.</summary>
internal sealed record RuleBatch(IReadOnlyList<RuleConfig> Rules, IReadOnlyList<RuleIssue> Issues)
{
    public static readonly RuleBatch Empty = new([], []);
}
