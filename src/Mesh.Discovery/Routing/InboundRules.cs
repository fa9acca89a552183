using Mesh.Discovery.Rules;
using Mesh.Discovery.Security.Authorization;

namespace Mesh.Discovery.Routing;

/// <summary>What rules say of the requests that this process serves. Immutable.</summary>
internal sealed class InboundRules
{
    public static readonly InboundRules Empty = new() { Modes = PeerModes.None };

    /// <summary>What the ports accept, as far as rules say so.</summary>
    public required PeerModes Modes { get; init; }

    /// <summary>Who may do what; null if no rule says anything about it.</summary>
    public Authorizer? Authorizer { get; init; }

    /// <summary>Whose tokens prove who a request is made for; all documents together, as in Istio. The strongest first.</summary>
    public IReadOnlyList<JwtRuleConfig> JwtRules { get; init; } = [];

    /// <param name="rules">All documents, the strongest first.</param>
    /// <param name="workload">This process.</param>
    /// <param name="inEffect">Takes those that are about this process.</param>
    /// <param name="issues">Takes what is wrong.</param>
    public static InboundRules Create(IReadOnlyList<PlacedRule> rules, Workload workload, HashSet<RuleConfig> inEffect, IssueList issues) => new()
        {
            Modes = PeerModes.Create(rules, workload, inEffect, issues),
            Authorizer = Authorizer.Create(rules, workload, inEffect, issues),
            JwtRules = EndUserRules(rules, workload, inEffect),
        };

    private static IReadOnlyList<JwtRuleConfig> EndUserRules(IReadOnlyList<PlacedRule> rules, Workload workload, HashSet<RuleConfig> inEffect)
    {
        List<JwtRuleConfig>? result = null;
        foreach (var placed in rules)
        {
            if (placed.Rule is RequestAuthenticationConfig rule && workload.IsMeant(rule, rule.Selector))
            {
                inEffect.Add(rule);
                (result ??= []).AddRange(rule.JwtRules);
            }
        }

        return result ?? (IReadOnlyList<JwtRuleConfig>)[];
    }
}
