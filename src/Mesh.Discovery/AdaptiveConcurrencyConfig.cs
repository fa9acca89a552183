namespace Mesh.Discovery;

/// <summary>
/// A limit of requests in flight that finds itself: as many as the other side handles without letting them wait for each
/// other (Envoy: adaptive concurrency; Netflix: concurrency limits). Immutable.
/// </summary>
public sealed record AdaptiveConcurrencyConfig
{
    /// <summary>Whether requests over the limit are refused. Default <see cref="AdaptiveConcurrencyMode.Enforce"/>, where there is a rule at all.</summary>
    public AdaptiveConcurrencyMode Mode { get; init; } = AdaptiveConcurrencyMode.Enforce;

    /// <summary>The limit is never less, 1 to 1000000. Default 3 (Envoy).</summary>
    public int MinLimit { get; init; } = 3;

    /// <summary>The limit is never more, 1 to 1000000. Default 1000 (Envoy).</summary>
    public int MaxLimit { get; init; } = 1000;

    /// <summary>How often the limit is thought over, 10 ms to 10 s. Default 250 ms.</summary>
    public TimeSpan Window { get; init; } = TimeSpan.FromMilliseconds(250);
}

/// <summary>Whether requests over a limit that finds itself are refused.</summary>
public enum AdaptiveConcurrencyMode
{
    /// <summary>There is no limit, and nothing is measured.</summary>
    Off,

    /// <summary>The limit is found and shown, and requests over it are counted, but none is refused.</summary>
    Shadow,

    /// <summary>Requests over the limit wait shortly or are refused.</summary>
    Enforce,
}
