namespace Mesh.Discovery.Runtime.Balancing;

/// <summary>The healthy instances of the caller's own service, itself among them if it is registered, by address.</summary>
/// <remarks>Immutable. Every instance that reads the same catalog sees the same, so they agree on who is which.</remarks>
internal sealed class Peers
{
    public static readonly Peers None = new([], null, 0);

    private readonly Endpoint[] _peers;
    private readonly string? _own;
    private readonly ulong _fallback;

    /// <param name="endpoints">The instances, in any order.</param>
    /// <param name="own">The authority under which this process is one of them; null if it is not known.</param>
    /// <param name="fallback">Where it stands if it is none of them.</param>
    public Peers(IEnumerable<Endpoint> endpoints, string? own, ulong fallback)
    {
        _own = own;
        _fallback = fallback;
        _peers =
        [
            .. endpoints.Where(peer => peer.Health == EndpointHealth.Healthy || peer.Address.Authority == own)
                .OrderBy(static peer => peer.Address.Authority, StringComparer.Ordinal),
        ];
    }

    public int Count => _peers.Length;

    /// <summary>How many have the same of something.</summary>
    public Dictionary<string, int> CountBy(Func<Endpoint, string> key) =>
        _peers.CountBy(key, StringComparer.Ordinal).ToDictionary(StringComparer.Ordinal);

    /// <summary>
    /// The caller's number among those that fulfil a condition, and how many these are. A caller that is none of them
    /// gets a number by its id, among so many that callers hardly share one.
    /// </summary>
    public (int Index, int Count) Place(Func<Endpoint, bool> condition)
    {
        const int Many = 1 << 16;
        var index = -1;
        var count = 0;
        foreach (var peer in _peers)
        {
            if (condition(peer) || peer.Address.Authority == _own)
            {
                index = peer.Address.Authority == _own ? count : index;
                count++;
            }
        }

        return index >= 0 ? (index, count) : ((int)(_fallback % Many), Many);
    }

    /// <summary>Whether nothing that counts is different.</summary>
    public bool IsSame(Peers other) => _own == other._own && _peers.Length == other._peers.Length
        && _peers.Zip(other._peers).All(static pair =>
            pair.First.Address.Authority == pair.Second.Address.Authority
            && pair.First.Locality == pair.Second.Locality && pair.First.Labels.Equals(pair.Second.Labels));
}
