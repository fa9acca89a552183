using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Routing;

/// <summary>
/// What the ports of this process accept. As in Istio, the document for some workloads goes before that of their namespace, and that
/// before the one of the root namespace; a port before the rest. What is unset is inherited.
/// </summary>
internal sealed class PeerModes
{
    public static readonly PeerModes None = new(new Dictionary<int, MtlsMode>(), null);

    private readonly Dictionary<int, MtlsMode> _ports;
    private readonly MtlsMode? _mode;

    private PeerModes(Dictionary<int, MtlsMode> ports, MtlsMode? mode)
    {
        _ports = ports;
        _mode = mode;
    }

    public static PeerModes Create(IReadOnlyList<PlacedRule> rules, Workload workload, HashSet<RuleConfig> inEffect, IssueList issues)
    {
        var scopes = new PlacedRule?[3];
        foreach (var placed in rules)
        {
            if (placed.Rule is not PeerAuthenticationConfig rule || !workload.IsMeant(rule, rule.Selector))
            {
                continue;
            }

            var isRoot = rule.Namespace.Equals(workload.RootNamespace, StringComparison.OrdinalIgnoreCase);
            var scope = rule.Selector.IsNarrow ? 0 : isRoot && !workload.Namespace.Equals(rule.Namespace, StringComparison.OrdinalIgnoreCase) ? 2 : 1;
            if (scopes[scope] is null)
            {
                scopes[scope] = placed;
                inEffect.Add(rule);
            }
            else if (scopes[scope] is { Rule: var other, Precedence: var precedence } && precedence == placed.Precedence)
            {
                issues.Error(rule.Location, $"{other.Kind} {other.Namespace}/{other.Name} ({other.Location}) is for the same processes; only one can hold");
            }
        }

        var found = Array.ConvertAll(scopes, static placed => (PeerAuthenticationConfig?)placed?.Rule);
        return new PeerModes(
            found[0] is { } own ? new Dictionary<int, MtlsMode>(own.Ports) : [],
            Array.Find(found, static rule => rule?.Mode is not null)?.Mode);
    }

    /// <summary>What rules say of a port; null if they say nothing.</summary>
    public MtlsMode? Of(int port) => _ports.TryGetValue(port, out var mode) ? mode : _mode;
}
