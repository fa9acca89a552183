namespace Mesh.Client.LoadBalancing;

/// <summary>The names of the built-in policies, as rules and telemetry spell them. Rules may spell them in any case.</summary>
public static class LoadBalancingPolicies
{
    /// <summary>
    /// The default: of two endpoints drawn at random, the one with fewer requests in flight (Istio and Envoy:
    /// LEAST_REQUEST with a choice count of 2).
    /// </summary>
    public const string LeastRequest = "LEAST_REQUEST";

    /// <summary>
    /// Of two endpoints drawn at random, the one with the lower peak-EWMA latency times requests in flight (Finagle,
    /// Linkerd).
    /// </summary>
    public const string PeakEwma = "PEAK_EWMA";

    /// <summary>All in turn, by weight and without bursts.</summary>
    public const string RoundRobin = "ROUND_ROBIN";

    /// <summary>Any, by weight.</summary>
    public const string Random = "RANDOM";

    /// <summary>Like requests to one endpoint, by a ring of hashes (Envoy). Chosen by <c>consistentHash</c>.</summary>
    public const string RingHash = "RING_HASH";

    /// <summary>
    /// Like requests to one endpoint, by the lookup table of Google's Maglev paper (2016). Chosen by
    /// <c>consistentHash</c> with <c>maglev</c>.
    /// </summary>
    public const string Maglev = "MAGLEV";

    /// <summary>No choice at all: the address that the caller named is dialled (Istio: PASSTHROUGH).</summary>
    public const string Passthrough = "PASSTHROUGH";
}
