namespace Mesh.Discovery;

/// <summary>
/// Which localities take a caller's traffic: for one destination (Istio: <c>loadBalancer.localityLbSetting</c> of a
/// DestinationRule), or for all whose rules say nothing (<see cref="OutboundOptions.LocalityLbSetting"/>). Immutable.
/// </summary>
/// <remarks>
/// Istio's fields. <see cref="Distribute"/> stands alone. Otherwise endpoints get priorities, and traffic spills over to
/// the next priority as the healthy share of one falls below 1 / 1.4 (Envoy's overprovisioning factor).
/// </remarks>
public sealed record LocalityLbConfig
{
    /// <summary>
    /// Whether near endpoints are preferred. Default null, which is Istio's rule: where outliers are detected, as nobody else
    /// would notice that the near ones are down. True: in any case. False: never, and nothing else here counts.
    /// </summary>
    public bool? Enabled { get; init; }

    /// <summary>Shares by locality; the first entry whose <c>From</c> fits the caller holds. Default: none.</summary>
    public IReadOnlyList<LocalityDistribution> Distribute { get; init; } = [];

    /// <summary>To which region callers turn when their own cannot serve them. Default: to all others alike.</summary>
    public IReadOnlyList<LocalityFailover> Failover { get; init; } = [];

    /// <summary>
    /// Labels, <c>key</c> or <c>key=value</c>: the more of them, from the first on, an endpoint has in common with the
    /// caller, the higher its priority. Default: none; localities count.
    /// </summary>
    public IReadOnlyList<string> FailoverPriority { get; init; } = [];
}

/// <summary>Shares of one locality's traffic (Istio: LocalityLoadBalancerSetting.Distribute).</summary>
/// <param name="From">The caller's locality: <c>region/zone/subzone</c>, where <c>*</c> may end it or stand for all.</param>
/// <param name="To">Percent by the endpoints' locality, written likewise; 100 in all. Others get nothing.</param>
public sealed record LocalityDistribution(string From, IReadOnlyDictionary<string, int> To);

/// <summary>Where callers turn to (Istio: LocalityLoadBalancerSetting.Failover).</summary>
/// <param name="From">The callers' region.</param>
/// <param name="To">The region that comes before other ones.</param>
public sealed record LocalityFailover(string From, string To);
