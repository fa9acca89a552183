using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Security.Authorization;

/// <summary>What Consul's intentions say of callers of this process. Immutable.</summary>
/// <remarks>
/// As in Consul, an intention for the service itself goes before one for all, and in each the source itself before all; the first one
/// that names the caller decides. Where none does, Consul's default holds.
/// </remarks>
internal sealed class InboundIntentions
{
    private readonly Intention[] _intentions;
    private readonly RuleHit? _byDefault;
    private readonly IReadOnlyList<string> _aliases;

    private InboundIntentions(Intention[] intentions, RuleHit? byDefault, IReadOnlyList<string> aliases)
    {
        _intentions = intentions;
        _byDefault = byDefault;
        _aliases = aliases;
    }

    /// <summary>Null if intentions refuse nobody.</summary>
    public static InboundIntentions? Create(IReadOnlyList<PlacedRule> rules, Workload workload, HashSet<RuleConfig> inEffect, IssueList issues)
    {
        if (workload.Service.Length == 0)
        {
            return null;
        }

        var own = new ServiceName(workload.Service, workload.Namespace).Host;
        ServiceIntentionsConfig? forThis = null;
        ServiceIntentionsConfig? forAll = null;
        IntentionDefaultConfig? byDefault = null;
        foreach (var placed in rules)
        {
            switch (placed.Rule)
            {
                case ServiceIntentionsConfig { Host: "*" } config:
                    forAll ??= config;
                    break;
                case ServiceIntentionsConfig config when ServiceName.Resolve(config.Host, config.Namespace).Host.Equals(own, StringComparison.OrdinalIgnoreCase):
                    forThis ??= config;
                    break;
                case IntentionDefaultConfig config:
                    byDefault ??= config;
                    break;
            }
        }

        var intentions = new List<Intention>();
        foreach (var (config, destination) in new[] { (forThis, workload.Service), (forAll, "*") })
        {
            if (config is not null)
            {
                inEffect.Add(config);
                intentions.AddRange(config.Sources.Select(source => Intention.Create(source, destination, issues)));
            }
        }

        if (byDefault is not null)
        {
            inEffect.Add(byDefault);
        }

        return (byDefault is null or { Allow: true }) && intentions.TrueForAll(static intention => intention.AllowsAll)
            ? null
            : new InboundIntentions(
                [.. intentions],
                byDefault is { Allow: false }
                    ? new RuleHit("INTENTION", "intentions' default", -1, $"no intention is about this caller of {workload.Service}, and Consul's default is to deny")
                    : null,
                workload.TrustDomainAliases);
    }

    /// <summary>The intention that denies the request.</summary>
    public RuleHit? FindDenial(in RequestFacts request)
    {
        var caller = CallerOf(in request);
        foreach (var intention in _intentions)
        {
            // Whoever hides who he is could be the one that is denied.
            if (caller is null && intention.Source != "*")
            {
                if (!intention.Allows(in request))
                {
                    return intention.DenialOfUnknown;
                }

                continue;
            }

            if (intention.Source == "*" || intention.Source.Equals(caller, StringComparison.OrdinalIgnoreCase))
            {
                return intention.Allows(in request) ? null : intention.Denial;
            }
        }

        return _byDefault;
    }

    /// <summary>The service by the identity of Consul's form, or the service account of the mesh's; null for who is neither.</summary>
    private string? CallerOf(in RequestFacts request)
    {
        if (request.Peer is not { } peer)
        {
            return null;
        }

        // Who has the name in another trust domain is somebody else.
        var isOwn = peer.TrustDomain == request.TrustDomain;
        foreach (var alias in _aliases)
        {
            isOwn |= alias.Equals(peer.TrustDomain, StringComparison.OrdinalIgnoreCase);
        }

        return isOwn ? peer.ConsulService ?? peer.ServiceAccount : null;
    }

    private sealed class Intention
    {
        private readonly bool _allow;
        private readonly IntentionPermission[] _permissions;

        private Intention(IntentionSourceConfig config, string destination, IntentionPermission[] permissions)
        {
            var name = $"intention {config.Name} → {destination}";
            Source = config.Name;
            Denial = new RuleHit(
                "INTENTION", name, -1,
                config.IsNotUnderstood ? $"the {name} has a condition that is not supported, and so denies everything"
                    : permissions.Length > 0 ? $"no permission of the {name} allows it" : $"the {name} denies it");
            DenialOfUnknown = Denial with { Reason = $"the caller has no identity of this trust domain, and the {name} denies one" };
            _permissions = permissions;
            _allow = config.Allow && !config.IsNotUnderstood;
        }

        public string Source { get; }

        public RuleHit Denial { get; }

        /// <summary>Of a caller who cannot be told from the one that is named.</summary>
        public RuleHit DenialOfUnknown { get; }

        public bool AllowsAll => _permissions.Length == 0 && _allow;

        public static Intention Create(IntentionSourceConfig config, string destination, IssueList issues) =>
            new(config, destination, [.. config.Permissions.Select(permission => new IntentionPermission(permission, issues))]);

        /// <summary>The first permission that matches decides. As in Consul, what none matches is denied.</summary>
        public bool Allows(in RequestFacts request)
        {
            if (_permissions.Length == 0)
            {
                return _allow;
            }

            foreach (var permission in _permissions)
            {
                if (permission.Matches(in request))
                {
                    return permission.Allow;
                }
            }

            return false;
        }
    }
}
