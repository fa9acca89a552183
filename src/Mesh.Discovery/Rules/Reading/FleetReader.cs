namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads what of balancing depends on the callers as well (ours, after Envoy and Finagle).</summary>
internal static class FleetReader
{
    private const int MaxSize = 65535;

    public static ZoneAwareConfig? ZoneAware(ObjectReader? zones)
    {
        if (zones is null)
        {
            return null;
        }

        var defaults = new ZoneAwareConfig();
        var result = new ZoneAwareConfig
        {
            Enabled = zones.Bool("enabled") ?? defaults.Enabled,
            MinClusterSize = zones.Int("minClusterSize", 1) ?? defaults.MinClusterSize,
        };
        zones.Done();
        return result;
    }

    public static ApertureConfig? Aperture(ObjectReader? aperture)
    {
        if (aperture is null)
        {
            return null;
        }

        var defaults = new ApertureConfig();
        var result = new ApertureConfig { Size = aperture.Int("size", 1, MaxSize) ?? defaults.Size };
        aperture.Done();
        return result;
    }
}
