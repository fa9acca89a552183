using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime.Resilience;

namespace Mesh.Discovery.Runtime;

/// <summary>
/// The living side of an endpoint: counters and connections that survive every update of rules and catalogs. All subsets
/// of a service share one state per address.
/// </summary>
/// <remarks>Safe for concurrent use; readers never lock.</remarks>
public sealed class EndpointState
{
    private volatile Endpoint _endpoint;
    private volatile bool _retired;
    private volatile OutlierRecord? _outlier;
    private ConnectionSettings? _connections;
    private TlsSettingsConfig? _tls;
    private int _inFlight;
    private int _generation;

    /// <summary>Starts with nothing in flight.</summary>
    /// <param name="service">The service that the endpoint belongs to.</param>
    /// <param name="endpoint">What the catalog says of it.</param>
    public EndpointState(ServiceName service, Endpoint endpoint)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        Service = service;
        _endpoint = endpoint;
        Id = endpoint.Address.Authority;
    }

    /// <summary>The service.</summary>
    public ServiceName Service { get; }

    /// <summary><c>host:port</c>.</summary>
    public string Id { get; }

    /// <summary>What the catalogs say of it now. The address never changes.</summary>
    public Endpoint Endpoint
    {
        get => _endpoint;
        internal set
        {
            var isSecuredOtherwise = _endpoint.SpeaksMtls != value.SpeaksMtls || _endpoint.Consul?.IsProxy != value.Consul?.IsProxy
                || _endpoint.Consul?.Node.Datacenter != value.Consul?.Node.Datacenter;
            _endpoint = value;
            if (isSecuredOtherwise)
            {
                RenewTransport();
            }
        }
    }

    /// <summary>Attempts that were sent and whose response body has not been read or disposed yet.</summary>
    public int InFlight => Volatile.Read(ref _inFlight);

    /// <summary>The peak-EWMA of the latency; written by the balancer that wants it.</summary>
    internal PeakEwma Latency { get; } = new();

    /// <summary>What the outlier detectors of destinations know of it: the first of a list.</summary>
    internal OutlierRecord? Outlier
    {
        get => _outlier;
        set => _outlier = value;
    }

    /// <summary>
    /// How connections are made and kept. New settings take new connections: those there are finish what they carry and are
    /// closed once they idle.
    /// </summary>
    internal ConnectionSettings? Connections
    {
        get => Volatile.Read(ref _connections);
        set
        {
            if (value != _connections)
            {
                Volatile.Write(ref _connections, value);
                RenewTransport();
            }
        }
    }

    /// <summary>How connections are secured; null if no rule says anything. New settings take new connections.</summary>
    internal TlsSettingsConfig? Tls
    {
        get => Volatile.Read(ref _tls);
        set
        {
            if (value != _tls)
            {
                Volatile.Write(ref _tls, value);
                RenewTransport();
            }
        }
    }

    /// <summary>
    /// The client's connections to this endpoint, made at the first attempt. Whoever puts it there looks at <see cref="Generation"/>
    /// before it reads what it is made from, and again afterwards.
    /// </summary>
    internal IDisposable? Transport;

    /// <summary>Another number whenever what connections are made from has changed.</summary>
    internal int Generation => Volatile.Read(ref _generation);

    /// <summary>Whether no view holds the endpoint any more.</summary>
    internal bool IsRetired => _retired;

    private void RenewTransport()
    {
        Interlocked.Increment(ref _generation);
        (Interlocked.Exchange(ref Transport, null) as IReplaceableTransport)?.Replaced();
    }

    internal void Enter() => Interlocked.Increment(ref _inFlight);

    internal void Leave()
    {
        if (Interlocked.Decrement(ref _inFlight) == 0 && _retired)
        {
            Transport?.Dispose();
        }
    }

    /// <summary>
    /// No view holds the endpoint any more: its connections close as soon as nothing is in flight. A caller that picked it
    /// just before finds the transport disposed, which proves that nothing was sent, and picks again.
    /// </summary>
    internal void Retire()
    {
        _retired = true;

        // Either this sees the last one leave, or the last one sees this: without the fence both could miss the other.
        Interlocked.MemoryBarrier();
        if (InFlight == 0)
        {
            Transport?.Dispose();
        }
    }

    /// <summary><c>reviews.prod 127.0.0.1:9081</c>.</summary>
    public override string ToString() => $"{Service} {Id}";
}
