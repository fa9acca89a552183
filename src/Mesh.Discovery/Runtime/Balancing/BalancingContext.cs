namespace Mesh.Discovery.Runtime.Balancing;

/// <summary>Who calls, and what holds for all destinations whose rules say nothing else.</summary>
internal sealed class BalancingContext
{
    /// <summary>Istio's names for what a locality says; labels of that name go before it.</summary>
    private const string Region = "topology.kubernetes.io/region";
    private const string Zone = "topology.kubernetes.io/zone";
    private const string SubZone = "topology.istio.io/subzone";

    private readonly ulong _fallback;
    private readonly Action<BalancingContext>? _wanted;
    private volatile Peers _peers;
    private int _isWanted;

    /// <param name="locality">Where the process runs.</param>
    /// <param name="labels">Its labels.</param>
    /// <param name="localityLb">What holds where no rule says otherwise.</param>
    /// <param name="id">What tells the process from others.</param>
    /// <param name="wanted">Told once, as soon as something depends on peers; holds locks.</param>
    public BalancingContext(
        Locality locality, Labels labels, LocalityLbConfig localityLb, string id, Action<BalancingContext>? wanted = null)
    {
        Locality = locality;
        Labels = LabelsOf(labels, locality);
        LocalityLb = localityLb;
        _fallback = StableHash.Of(id);
        _wanted = wanted;
        _peers = new Peers([], null, _fallback);
    }

    /// <summary>A process that says nothing of itself.</summary>
    public static BalancingContext Unknown { get; } = new(Locality.Unknown, Labels.Empty, new LocalityLbConfig(), "");

    public Locality Locality { get; }

    public Labels Labels { get; }

    public LocalityLbConfig LocalityLb { get; }

    /// <summary>Whether anything depends on peers.</summary>
    public bool WantsPeers => Volatile.Read(ref _isWanted) != 0;

    /// <summary>The instances of the own service.</summary>
    public Peers Peers
    {
        get
        {
            if (Interlocked.Exchange(ref _isWanted, 1) == 0)
            {
                _wanted?.Invoke(this);
            }

            return _peers;
        }
    }

    /// <summary>Takes the instances of the own service.</summary>
    /// <returns>Whether that changes anything.</returns>
    public bool SetPeers(IEnumerable<Endpoint> endpoints, string? own)
    {
        var peers = new Peers(endpoints, own, _fallback);
        if (peers.IsSame(_peers))
        {
            return false;
        }

        _peers = peers;
        return true;
    }

    /// <summary>Labels with what the locality adds to them.</summary>
    public static Labels LabelsOf(Labels labels, Locality locality)
    {
        if (locality.Region.Length == 0)
        {
            return labels;
        }

        var all = new List<KeyValuePair<string, string>> { new(Region, locality.Region) };
        Add(Zone, locality.Zone);
        Add(SubZone, locality.SubZone);
        return new Labels(all.Concat(labels));

        void Add(string key, string value)
        {
            if (value.Length > 0)
            {
                all.Add(new(key, value));
            }
        }
    }

    /// <summary>A label of an endpoint, or what its locality says in its place; null if there is neither.</summary>
    public static string? Find(Endpoint endpoint, string key) =>
        endpoint.Labels.TryGetValue(key, out var value) ? value : key switch
        {
            Region => OrNull(endpoint.Locality.Region),
            Zone => OrNull(endpoint.Locality.Zone),
            SubZone => OrNull(endpoint.Locality.SubZone),
            _ => null,
        };

    private static string? OrNull(string text) => text.Length > 0 ? text : null;
}
