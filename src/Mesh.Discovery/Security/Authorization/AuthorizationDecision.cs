namespace Mesh.Discovery.Security.Authorization;

/// <summary>What rules say of a request.</summary>
/// <param name="Denied">What denies it; null if it is allowed.</param>
/// <param name="Allowed">What allows it; null if nothing had to, or it is denied.</param>
/// <param name="Shadow">What would deny it if policies that are only tried were in force; null if it is denied anyway, or nothing would.</param>
/// <param name="Audit">Which AUDIT policy matches it.</param>
internal readonly record struct AuthorizationDecision(RuleHit? Denied, RuleHit? Allowed, RuleHit? Shadow, RuleHit? Audit)
{
    public bool IsAllowed => Denied is null;
}

/// <summary>A rule that decided.</summary>
/// <param name="Action">ALLOW, DENY or AUDIT; INTENTION for Consul's.</param>
/// <param name="Policy">The policy as <c>namespace/name</c>, or the intention; all ALLOW policies, if none of them matched.</param>
/// <param name="Rule">Which of its rules, from 0; -1 where that says nothing.</param>
/// <param name="Reason">The same for people.</param>
internal sealed record RuleHit(string Action, string Policy, int Rule, string Reason);
