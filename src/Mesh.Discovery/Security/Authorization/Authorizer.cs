using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Security.Authorization;

/// <summary>All that rules say of who may do what with this process. Immutable; a decision is a pure function of the request.</summary>
/// <remarks>
/// The order is Istio's: what denies (DENY policies, then Consul's intentions), and of what is left what ALLOW policies allow, if
/// there are any. AUDIT policies and those that are only tried decide nothing.
/// </remarks>
internal sealed class Authorizer
{
    private readonly CompiledPolicy[] _deny;
    private readonly CompiledPolicy[] _allow;
    private readonly CompiledPolicy[] _audit;
    private readonly CompiledPolicy[] _triedDeny;
    private readonly CompiledPolicy[] _triedAllow;
    private readonly InboundIntentions? _intentions;
    private readonly RuleHit _notAllowed;
    private readonly RuleHit _notAllowedIfTried;

    private Authorizer(List<AuthorizationPolicyConfig> policies, IReadOnlyList<string> aliases, InboundIntentions? intentions)
    {
        _intentions = intentions;
        _deny = Select(AuthorizationAction.Deny, isTried: false);
        _allow = Select(AuthorizationAction.Allow, isTried: false);
        _triedDeny = Select(AuthorizationAction.Deny, isTried: true);
        _triedAllow = Select(AuthorizationAction.Allow, isTried: true);
        _audit = [.. Select(AuthorizationAction.Audit, isTried: false), .. Select(AuthorizationAction.Audit, isTried: true)];
        _notAllowed = None(_allow);
        _notAllowedIfTried = None([.. _allow, .. _triedAllow]);

        CompiledPolicy[] Select(AuthorizationAction action, bool isTried) =>
            [.. policies.Where(policy => policy.Action == action && policy.DryRun == isTried).Select(policy => CompiledPolicy.Create(policy, aliases))];

        static RuleHit None(CompiledPolicy[] policies)
        {
            var names = string.Join(", ", policies.Select(static policy => policy.Name).Order(StringComparer.Ordinal));
            return new RuleHit("ALLOW", names, -1, $"no rule of the ALLOW policies {names} matches it");
        }
    }

    /// <summary>Null if no rule is about this process.</summary>
    /// <param name="rules">All documents, the strongest first.</param>
    /// <param name="workload">This process.</param>
    /// <param name="inEffect">Takes those that are about this process.</param>
    /// <param name="issues">Takes what is wrong.</param>
    public static Authorizer? Create(IReadOnlyList<PlacedRule> rules, Workload workload, HashSet<RuleConfig> inEffect, IssueList issues)
    {
        var policies = new List<AuthorizationPolicyConfig>();
        foreach (var placed in rules)
        {
            if (placed.Rule is AuthorizationPolicyConfig policy && workload.IsMeant(policy, policy.Selector))
            {
                policies.Add(policy);
                inEffect.Add(policy);
            }
        }

        // Without a certificate of its own the process asks callers for none, so nobody could be told from anybody.
        var intentions = workload.HasIdentity ? InboundIntentions.Create(rules, workload, inEffect, issues) : null;
        return policies.Count == 0 && intentions is null ? null : new Authorizer(policies, workload.TrustDomainAliases, intentions);
    }

    public AuthorizationDecision Decide(in RequestFacts request)
    {
        var audit = Find(_audit, in request);
        if ((Find(_deny, in request) ?? _intentions?.FindDenial(in request)) is { } denied)
        {
            return new AuthorizationDecision(denied, null, null, audit);
        }

        var allowed = Find(_allow, in request);
        return allowed is null && _allow.Length > 0
            ? new AuthorizationDecision(_notAllowed, null, null, audit)
            : new AuthorizationDecision(null, allowed, FindShadow(allowed, in request), audit);
    }

    /// <summary>What is allowed by a policy in force stays allowed when further ALLOW policies come.</summary>
    private RuleHit? FindShadow(RuleHit? allowed, in RequestFacts request)
    {
        if (Find(_triedDeny, in request) is { } denied)
        {
            return denied;
        }

        return allowed is null && _triedAllow.Length > 0 && Find(_triedAllow, in request) is null ? _notAllowedIfTried : null;
    }

    private static RuleHit? Find(CompiledPolicy[] policies, in RequestFacts request)
    {
        foreach (var policy in policies)
        {
            if (policy.Find(in request) is { } hit)
            {
                return hit;
            }
        }

        return null;
    }
}
