namespace Mesh.Discovery.Rules;

/// <summary>Who may call a service (Consul: service-intentions).</summary>
internal sealed record ServiceIntentionsConfig : RuleConfig
{
    public override string Kind => "ServiceIntentions";

    /// <summary>The service's host; <c>*</c> for all services of the namespace and for those of other datacenters.</summary>
    public required string Host { get; init; }

    /// <summary>The first one that names the caller decides.</summary>
    public IReadOnlyList<IntentionSourceConfig> Sources { get; init; } = [];
}

/// <summary>What one caller may do.</summary>
internal sealed record IntentionSourceConfig
{
    public required SourceLocation Location { get; init; }

    /// <summary>The calling service; <c>*</c> for all.</summary>
    public required string Name { get; init; }

    /// <summary>Used if there are no permissions.</summary>
    public bool Allow { get; init; }

    /// <summary>Whether it has a condition that is not known: the caller leaves it to the callee, who denies everything.</summary>
    public bool IsNotUnderstood { get; init; }

    /// <summary>The first one that matches the request decides.</summary>
    public IReadOnlyList<IntentionPermissionConfig> Permissions { get; init; } = [];
}

/// <summary>What is allowed or denied of requests that match.</summary>
internal sealed record IntentionPermissionConfig
{
    public bool Allow { get; init; }

    /// <summary>Any of these must match; empty matches everything.</summary>
    public IReadOnlyList<RouteMatchConfig> Match { get; init; } = [];
}
