using System.Net;

namespace Mesh.Discovery.Rules;

/// <summary>Who may do what with processes (Istio: AuthorizationPolicy).</summary>
internal sealed record AuthorizationPolicyConfig : RuleConfig
{
    public override string Kind => "AuthorizationPolicy";
    public WorkloadSelector Selector { get; init; } = WorkloadSelector.All;
    public AuthorizationAction Action { get; init; }

    /// <summary>Whether it only tells what it would have denied.</summary>
    public bool DryRun { get; init; }

    /// <summary>Any of these; none matches nothing.</summary>
    public IReadOnlyList<AuthorizationRuleConfig> Rules { get; init; } = [];
}

/// <summary>What becomes of requests that match.</summary>
internal enum AuthorizationAction
{
    Allow,
    Deny,

    /// <summary>They are only recorded.</summary>
    Audit,
}

/// <summary>One rule: all of its parts must match.</summary>
internal sealed record AuthorizationRuleConfig
{
    /// <summary>Any of these sources; none for all.</summary>
    public IReadOnlyList<IReadOnlyList<AuthorizationMatchConfig>> From { get; init; } = [];

    /// <summary>Any of these operations; none for all.</summary>
    public IReadOnlyList<IReadOnlyList<AuthorizationMatchConfig>> To { get; init; } = [];

    /// <summary>All of these.</summary>
    public IReadOnlyList<AuthorizationMatchConfig> When { get; init; } = [];
}

/// <summary>One field and its not-form; both must hold.</summary>
internal sealed record AuthorizationMatchConfig
{
    public required AuthorizationAttribute Attribute { get; init; }
    public required SourceLocation Location { get; init; }

    /// <summary>The header, or the claim from the outermost to the innermost name.</summary>
    public IReadOnlyList<string> Name { get; init; } = [];

    /// <summary>Any of these must match; none if the field is not there.</summary>
    public IReadOnlyList<string> Values { get; init; } = [];

    /// <summary>None of these may match.</summary>
    public IReadOnlyList<string> NotValues { get; init; } = [];

    /// <summary>The values, if they are addresses.</summary>
    public IReadOnlyList<IPNetwork> Networks { get; init; } = [];
    public IReadOnlyList<IPNetwork> NotNetworks { get; init; } = [];
}

/// <summary>What of a request is looked at.</summary>
internal enum AuthorizationAttribute
{
    Principal,
    Namespace,
    ServiceAccount,
    TrustDomain,
    RequestPrincipal,
    SourceAddress,
    RemoteAddress,
    DestinationAddress,
    Port,
    ServerName,
    Host,
    Method,
    Path,
    Header,
    Claim,
}
