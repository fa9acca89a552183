namespace Mesh.Discovery;

/// <summary>
/// When calls to a destination fail at once, because too many of its calls fail: of one destination
/// (<c>Destinations:&lt;host&gt;:CircuitBreaker</c>, <c>trafficPolicy.circuitBreaker</c> of a DestinationRule), or of all whose rules say
/// nothing (<see cref="OutboundOptions.CircuitBreaker"/>). Immutable.
/// </summary>
/// <remarks>
/// The breaker is Polly's, and so are the defaults (those of Microsoft.Extensions.Http.Resilience). Istio has none; what it calls
/// a circuit breaker are the limits of <c>connectionPool</c> and outlier detection. What counts as a failure is what counts for
/// <see cref="OutlierDetectionConfig"/>. Polly allows 500 ms to one day for both durations.
/// </remarks>
public sealed record CircuitBreakerConfig
{
    /// <summary>Opens when this share of the attempts of <see cref="SamplingDuration"/> has failed, above 0 to 1. Default 0.1.</summary>
    public double FailureRatio { get; init; } = 0.1;

    /// <summary>Below so many attempts in <see cref="SamplingDuration"/> it does not open. At least 2, default 100.</summary>
    public int MinimumThroughput { get; init; } = 100;

    /// <summary>The time over which attempts and failures are counted. Default 30 s.</summary>
    public TimeSpan SamplingDuration { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long it stays open before one call is let through to find out whether the destination is well again. Default 5 s.</summary>
    public TimeSpan BreakDuration { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Whether an operator holds it open or closed. Default: neither.</summary>
    public CircuitBreakerState State { get; init; }

    /// <summary>Whether what was counted by the other one's settings may be counted on.</summary>
    internal bool CountsAs(CircuitBreakerConfig other) =>
        FailureRatio.Equals(other.FailureRatio) && MinimumThroughput == other.MinimumThroughput && SamplingDuration == other.SamplingDuration;
}

/// <summary>Who decides about a circuit breaker.</summary>
public enum CircuitBreakerState
{
    /// <summary>The failures of the destination.</summary>
    Auto,

    /// <summary>An operator: it is open, every call fails at once (Polly: isolated).</summary>
    Open,

    /// <summary>An operator: it never opens.</summary>
    Closed,
}
