namespace Mesh.Discovery.Runtime.Resilience;

/// <summary>What destinations need to protect themselves, and what holds for them where no rule says otherwise.</summary>
internal sealed class ResilienceContext(
    TimeProvider time, IRandomSource random, ResilienceEvents events, OutlierDetectionConfig? outlierDetection, RetryBudgetConfig retryBudget,
    CircuitBreakerConfig? circuitBreaker = null)
{
    private long _refusedUntil = long.MinValue;

    public TimeProvider Time { get; } = time;

    public IRandomSource Random { get; } = random;

    public ResilienceEvents Events { get; } = events;

    public OutlierDetectionConfig? OutlierDetection { get; } = outlierDetection;

    public RetryBudgetConfig RetryBudget { get; } = retryBudget;

    public CircuitBreakerConfig? CircuitBreaker { get; } = circuitBreaker;

    /// <summary>Who asks endpoints whether they are well; without one there are no health checks. Set before the runtime starts.</summary>
    public IEndpointProber? Prober { get; set; }

    /// <summary>Whether a retry was refused for want of budget within the last second, by any destination.</summary>
    public bool IsOutOfBudget =>
        Volatile.Read(ref _refusedUntil) is var until && until != long.MinValue && Time.GetTimestamp() < until;

    public void OutOfBudget(long now) => Volatile.Write(ref _refusedUntil, now + Time.TimestampFrequency);
}
