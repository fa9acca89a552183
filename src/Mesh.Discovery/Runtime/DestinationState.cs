using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Runtime;

/// <summary>The living side of a destination; survives updates. Its view is replaced as a whole.</summary>
internal sealed class DestinationState
{
    private readonly TaskCompletionSource _hadEndpoints = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile DestinationView _view = DestinationView.Empty;
    private long _firstAsked;

    public DestinationState(ServiceState service, DestinationKey key)
    {
        Service = service;
        Key = key;
        Name = key.ToString();
    }

    public ServiceState Service { get; }

    public DestinationKey Key { get; }

    public string Name { get; }

    /// <summary>The subset as the rules defined it last: calls that chose it before the rules changed still need it.</summary>
    public SubsetConfig? Subset { get; set; }

    /// <summary>What an attempt works with: read once for each pick.</summary>
    public DestinationView View
    {
        get => _view;
        set
        {
            _view = value;
            if (value.Endpoints.Length > 0 || value.IsPassThrough)
            {
                _hadEndpoints.TrySetResult();
            }
        }
    }

    /// <summary>Done once the destination has had an endpoint, or needs none.</summary>
    public Task HadEndpoints => _hadEndpoints.Task;

    /// <summary>The timestamp of the first call that found no endpoint, which starts the wait for the first view.</summary>
    public long FirstAsked(long now)
    {
        var first = Interlocked.CompareExchange(ref _firstAsked, now, 0);
        return first == 0 ? now : first;
    }

    /// <summary>The destination for the port that the request dials, where the service tells its ports apart.</summary>
    public DestinationState ForPort(int port) =>
        Key.Port is null && Service.HasPorts ? Service.GetDestination(Key with { Port = port }) : this;
}

/// <summary>The endpoints that may take traffic, and how one is chosen. Immutable but for the picker, which is made at the first pick.</summary>
internal sealed class DestinationView(EndpointState[] endpoints, LoadBalancerConfig? loadBalancer)
{
    public static readonly DestinationView Empty = new([], null);

    public EndpointState[] Endpoints { get; } = endpoints;

    public LoadBalancerConfig? LoadBalancer { get; } = loadBalancer;

    /// <summary>Whether calls go to the address that was dialled (Istio: PASSTHROUGH, or a ServiceEntry without resolution).</summary>
    public bool IsPassThrough { get; init; }

    /// <summary>The client's picker for exactly these endpoints.</summary>
    public object? Picker;
}
