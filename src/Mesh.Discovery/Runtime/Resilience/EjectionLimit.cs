namespace Mesh.Discovery.Runtime.Resilience;

/// <summary>How many of a destination's endpoints may be ejected at a time.</summary>
internal static class EjectionLimit
{
    /// <summary>
    /// The share of them, rounded down; at least one of three or more, or a share of 10 % would never eject in a small
    /// destination; never the last one.
    /// </summary>
    public static int Of(int endpoints, int percent)
    {
        if (percent <= 0 || endpoints <= 1)
        {
            return 0;
        }

        var share = (int)((long)endpoints * percent / 100);
        return Math.Min(Math.Max(share, endpoints >= 3 ? 1 : 0), endpoints - 1);
    }
}
