using System.Text.Json;
using System.Text.Json.Serialization;

namespace Mesh.Discovery.Consul.Chains;

/// <summary>The answer of <c>/v1/discovery-chain/&lt;service&gt;</c>.</summary>
internal sealed class DiscoveryChainAnswer
{
    public DiscoveryChain? Chain { get; init; }
}

/// <summary>A compiled discovery chain: what all config entries together make of calls of one service.</summary>
internal sealed class DiscoveryChain
{
    public string? ServiceName { get; init; }
    public string? Namespace { get; init; }
    public string? Partition { get; init; }
    public string? Datacenter { get; init; }

    /// <summary>The key of the first node.</summary>
    public string? StartNode { get; init; }
    public IReadOnlyDictionary<string, ChainNode?>? Nodes { get; init; }
    public IReadOnlyDictionary<string, ChainTarget?>? Targets { get; init; }

    /// <summary>Whether there are no entries about the service, other than of its protocol.</summary>
    [JsonIgnore]
    public bool IsDefault =>
        (Nodes is null || Nodes.Values.All(static node => node?.Resolver is { Default: true, Failover: null, PrioritizeByLocality.IsFailover: not true }))
        && (Targets is null || Targets.Values.All(IsOwn));

    /// <summary>A redirect leads to another one, whose resolver may be a default one.</summary>
    private bool IsOwn(ChainTarget? target) =>
        target is null || (target.Service == ServiceName && string.IsNullOrEmpty(target.ServiceSubset) && target.Datacenter == Datacenter);
}

/// <summary>A router, splitter or resolver, whichever <see cref="Type"/> says.</summary>
internal sealed class ChainNode
{
    public string? Type { get; init; }
    public IReadOnlyList<ChainRoute?>? Routes { get; init; }
    public IReadOnlyList<ChainSplit?>? Splits { get; init; }
    public ChainResolver? Resolver { get; init; }

    /// <summary>Consul 1.9.</summary>
    public ChainLoadBalancer? LoadBalancer { get; init; }
}

internal sealed class ChainRoute
{
    public ChainRouteDefinition? Definition { get; init; }
    public string? NextNode { get; init; }
}

internal sealed class ChainRouteDefinition
{
    public ChainRouteMatch? Match { get; init; }
    public ChainRouteDestination? Destination { get; init; }
}

internal sealed class ChainRouteMatch
{
    [JsonPropertyName("HTTP")]
    public ConsulHttpMatch? Http { get; init; }

    [JsonExtensionData]
    public IDictionary<string, JsonElement>? Others { get; set; }
}

/// <summary>What is done with the requests of a route. Where they go is the next node.</summary>
internal sealed class ChainRouteDestination
{
    public string? PrefixRewrite { get; init; }

    [JsonConverter(typeof(ConsulDuration))]
    public TimeSpan RequestTimeout { get; init; }
    public uint NumRetries { get; init; }
    public bool RetryOnConnectFailure { get; init; }
    public IReadOnlyList<uint>? RetryOnStatusCodes { get; init; }

    /// <summary>Not in 1.8.</summary>
    public IReadOnlyList<string?>? RetryOn { get; init; }

    /// <summary>Consul 1.10.</summary>
    public ChainHeaders? RequestHeaders { get; init; }

    /// <summary>Consul 1.10.</summary>
    public ChainHeaders? ResponseHeaders { get; init; }
}

internal sealed class ChainHeaders
{
    public IReadOnlyDictionary<string, string?>? Add { get; init; }
    public IReadOnlyDictionary<string, string?>? Set { get; init; }
    public IReadOnlyList<string?>? Remove { get; init; }
}

internal sealed class ChainSplit
{
    /// <summary>Percent, in steps of a hundredth.</summary>
    public double Weight { get; init; }
    public string? NextNode { get; init; }

    /// <summary>Consul 1.10.</summary>
    public ChainSplitDefinition? Definition { get; init; }
}

internal sealed class ChainSplitDefinition
{
    public ChainHeaders? RequestHeaders { get; init; }
    public ChainHeaders? ResponseHeaders { get; init; }
}

internal sealed class ChainResolver
{
    /// <summary>Whether there is no service-resolver.</summary>
    public bool Default { get; init; }

    /// <summary>The key of the target.</summary>
    public string? Target { get; init; }

    /// <summary>Not in 1.8.</summary>
    [JsonConverter(typeof(ConsulDuration))]
    public TimeSpan RequestTimeout { get; init; }
    public ChainFailover? Failover { get; init; }

    /// <summary>Consul Enterprise 1.17.</summary>
    public ChainLocality? PrioritizeByLocality { get; init; }
}

internal sealed class ChainLocality
{
    /// <summary><c>failover</c>, <c>none</c> or nothing.</summary>
    public string? Mode { get; init; }

    [JsonIgnore]
    public bool IsFailover => Mode == "failover";
}

internal sealed class ChainFailover
{
    /// <summary>Keys of targets.</summary>
    public IReadOnlyList<string?>? Targets { get; init; }
}

internal sealed class ChainTarget
{
    public string? Service { get; init; }
    public string? ServiceSubset { get; init; }
    public string? Namespace { get; init; }
    public string? Partition { get; init; }
    public string? Datacenter { get; init; }

    /// <summary>Consul 1.13.</summary>
    public string? Peer { get; init; }
    public ChainSubset? Subset { get; init; }
}

internal sealed class ChainSubset
{
    public string? Filter { get; init; }
    public bool OnlyPassing { get; init; }
}

internal sealed class ChainLoadBalancer
{
    public string? Policy { get; init; }
    public ChainRingHash? RingHashConfig { get; init; }
    public IReadOnlyList<ChainHashPolicy?>? HashPolicies { get; init; }
}

internal sealed class ChainRingHash
{
    public ulong MinimumRingSize { get; init; }
}

internal sealed class ChainHashPolicy
{
    public string? Field { get; init; }
    public string? FieldValue { get; init; }
    public ChainCookie? CookieConfig { get; init; }

    [JsonPropertyName("SourceIP")]
    public bool SourceIp { get; init; }
}

internal sealed class ChainCookie
{
    public bool Session { get; init; }

    [JsonPropertyName("TTL")]
    [JsonConverter(typeof(ConsulDuration))]
    public TimeSpan Ttl { get; init; }
    public string? Path { get; init; }
}
