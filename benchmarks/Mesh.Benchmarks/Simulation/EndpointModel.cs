namespace Mesh.Benchmarks.Simulation;

/// <summary>How quick an endpoint is, and how much it takes.</summary>
internal sealed record EndpointModel
{
    /// <summary>No answer is quicker.</summary>
    public TimeSpan Floor { get; init; } = TimeSpan.FromMilliseconds(5);

    /// <summary>The mean of the exponentially distributed time above the floor.</summary>
    public TimeSpan Tail { get; init; } = TimeSpan.FromMilliseconds(5);

    /// <summary>How many requests it serves at once; others wait.</summary>
    public int Concurrency { get; init; } = int.MaxValue;

    /// <summary>How many may wait; one more gets a 503 at once.</summary>
    public int Queue { get; init; } = int.MaxValue;

    /// <summary>Until a refused connection or an answer that took no work is back with the caller.</summary>
    public static TimeSpan RoundTrip { get; } = TimeSpan.FromMilliseconds(1);
}
