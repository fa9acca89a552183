namespace Mesh.Discovery.Rules.Reading;

/// <summary>
/// Reads the failure-rate breaker of a destination, and the names of the application's own pipelines. Istio has neither; in its
/// documents they stand where its own parts do.
/// </summary>
internal static class CircuitBreakerReader
{
    /// <summary>Polly's bounds.</summary>
    private const int LeastThroughput = 2;

    private static readonly TimeSpan s_shortest = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_longest = TimeSpan.FromDays(1);

    /// <param name="breaker">The map.</param>
    /// <param name="defaults">What holds where it says nothing.</param>
    public static CircuitBreakerConfig Read(ObjectReader breaker, CircuitBreakerConfig defaults)
    {
        var result = defaults with
        {
            FailureRatio = breaker.Find("failureRatio")?.Number(0.001, 1) ?? defaults.FailureRatio,
            MinimumThroughput = breaker.Int("minimumThroughput", LeastThroughput) ?? defaults.MinimumThroughput,
            SamplingDuration = breaker.Find("samplingDuration")?.Duration(s_shortest, s_longest) ?? defaults.SamplingDuration,
            BreakDuration = breaker.Find("breakDuration")?.Duration(s_shortest, s_longest) ?? defaults.BreakDuration,
            State = breaker.Find("state")?.OneOf(
                ("Auto", CircuitBreakerState.Auto), ("Open", CircuitBreakerState.Open), ("Closed", CircuitBreakerState.Closed)) ?? defaults.State,
        };
        breaker.Done();
        return result;
    }

    /// <summary>Whether somebody has registered it, only the compiler knows.</summary>
    public static PipelineReference? Pipeline(ObjectReader owner) =>
        owner.Find("resiliencePipeline") is { } value && value.Line() is { Length: > 0 } name ? new PipelineReference(name, value.Location) : null;
}
