namespace Mesh.Discovery.Rules;

/// <summary>How long a newcomer gets less than its share (Istio: WarmupConfiguration).</summary>
internal sealed record WarmupConfig
{
    public required TimeSpan Duration { get; init; }

    /// <summary>What it gets at first, in percent of its weight. Default 10.</summary>
    public double MinimumPercent { get; init; } = 10;

    /// <summary>1 (default): in a straight line. Above 1: more of it early.</summary>
    public double Aggression { get; init; } = 1;
}
