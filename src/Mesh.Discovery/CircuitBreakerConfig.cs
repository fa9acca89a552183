namespace Mesh.Discovery;

/// <summary>
/// When calls to a destination fail at once, because too many of its calls fail: of one destination
/// (<c>Destinations:&lt;host&gt;:CircuitBreaker</c>, <c>trafficPolicy.circuitBreaker</c> of a DestinationRule), or of all whose rules say
/// nothing (<see cref="OutboundOptions.CircuitBreaker"/>). Immutable.
/// </summary>
/// <remarks>
/// The breaker is Polly's, and so are the defaults (those of Microsoft.Extensions.Http.Resilience). Istio has none; what it calls
/// a circuit breaker are the limits of <c>connectionPool</c> and outlier detection. What counts as a failure is what counts for
/// <see cref="OutlierDetectionConfig"/>. What values are allowed is Polly's as well.
/// </remarks>
public sealed record CircuitBreakerConfig
{
    private static readonly TimeSpan s_shortest = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_longest = TimeSpan.FromDays(1);

    /// <summary>Opens when this share of the attempts of <see cref="SamplingDuration"/> has failed, above 0 to 1. Default 0.1.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is another number.</exception>
    public double FailureRatio
    {
        get;
        init => field = value is > 0 and <= 1 ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "A number above 0, at most 1, is wanted.");
    } = 0.1;

    /// <summary>Below so many attempts in <see cref="SamplingDuration"/> it does not open. At least 2, default 100.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is less.</exception>
    public int MinimumThroughput
    {
        get;
        init => field = value >= 2 ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "At least 2 is wanted.");
    } = 100;

    /// <summary>The time over which attempts and failures are counted. 500 ms to 1 day, default 30 s.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is shorter or longer.</exception>
    public TimeSpan SamplingDuration { get; init => field = Check(value); } = TimeSpan.FromSeconds(30);

    /// <summary>How long it stays open before one call is let through to find out whether the destination is well again, 500 ms to 1 day. Default 5 s.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is shorter or longer.</exception>
    public TimeSpan BreakDuration { get; init => field = Check(value); } = TimeSpan.FromSeconds(5);

    /// <summary>Whether an operator holds it open or closed. Default: neither.</summary>
    public CircuitBreakerState State { get; init; }

    /// <summary>Whether what was counted by the other one's settings may be counted on.</summary>
    internal bool CountsAs(CircuitBreakerConfig other) =>
        FailureRatio.Equals(other.FailureRatio) && MinimumThroughput == other.MinimumThroughput && SamplingDuration == other.SamplingDuration;

    private static TimeSpan Check(TimeSpan value) => value >= s_shortest && value <= s_longest
        ? value
        : throw new ArgumentOutOfRangeException(nameof(value), value, "500 ms to 1 day is wanted.");
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
