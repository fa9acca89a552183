namespace Mesh.Discovery.Runtime.Balancing;

/// <summary>Endpoints that share a share of the traffic: a priority, the localities of one pattern, a zone.</summary>
internal sealed class BalanceGroup(string name)
{
    public string Name { get; } = name;

    /// <summary>Indices of candidates, also of those that are not usable.</summary>
    public List<int> Members { get; } = [];

    /// <summary>How many of the members are usable.</summary>
    public int Usable { get; set; }

    /// <summary>Its part of the traffic, 0 to 1.</summary>
    public double Share { get; set; }

    /// <summary>
    /// Which part of its share a group can take: all as long as 1 / 1.4 of it is usable (Envoy's overprovisioning factor of
    /// 140 %), less in proportion below.
    /// </summary>
    public double Availability =>
        Usable * 140L >= Members.Count * 100L ? Math.Min(1, Usable) : Usable * 1.4 / Members.Count;
}
