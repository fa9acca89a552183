namespace Mesh.Discovery.Rules;

/// <summary>A second attempt while the first is still under way ("The Tail at Scale", Dean and Barroso 2013; Finagle: backup requests).</summary>
internal sealed record HedgingConfig
{
    public required SourceLocation Location { get; init; }

    /// <summary>How long to wait for the first attempt. Null: as long as <see cref="Percentile"/> of the destination's requests take.</summary>
    public TimeSpan? Delay { get; init; }

    /// <summary>The percentile of the destination's own latencies after which a request counts as slow. Default 95.</summary>
    public double Percentile { get; init; } = 95;

    /// <summary>Further attempts, each after another delay. Default 1.</summary>
    public int Attempts { get; init; } = 1;

    /// <summary>At most so many hedges for a hundred requests of the destination. Default 5.</summary>
    public double MaxExtraPercent { get; init; } = 5;

    /// <summary>Whether also methods that are not idempotent are sent twice. Default false.</summary>
    public bool AnyMethod { get; init; }
}
