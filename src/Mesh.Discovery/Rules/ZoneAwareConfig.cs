namespace Mesh.Discovery.Rules;

/// <summary>Prefers the own zone as far as load stays even (Envoy: zone_aware_lb_config).</summary>
internal sealed record ZoneAwareConfig
{
    public bool Enabled { get; init; } = true;

    /// <summary>With fewer endpoints zones do not count. Default 6 (Envoy).</summary>
    public int MinClusterSize { get; init; } = 6;
}
