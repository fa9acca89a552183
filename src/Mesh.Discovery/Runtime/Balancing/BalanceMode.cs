namespace Mesh.Discovery.Runtime.Balancing;

/// <summary>What localities mean to a destination.</summary>
internal enum BalanceMode
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Near endpoints first, by locality or labels.</summary>
    Failover,

    /// <summary>Shares are given.</summary>
    Distribute,

    /// <summary>The own zone, as far as load stays even.</summary>
    ZoneAware,
}
