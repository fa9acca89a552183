using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime.Balancing;
using Mesh.Discovery.Runtime.Resilience;

namespace Mesh.Discovery.Runtime;

/// <summary>The living side of a destination; survives updates. Its view is replaced as a whole.</summary>
internal sealed class DestinationState
{
    private readonly TaskCompletionSource _hadEndpoints = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile DestinationView _view = DestinationView.Empty;
    private long _firstAsked;
    private RetryBudget? _retries;
    private HedgeState? _hedges;

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
            if (KnownRetries is { } retries && retries.Settings != value.RetryBudget)
            {
                retries.Settings = value.RetryBudget;
            }

            if (value.Endpoints.Length > 0 || value.IsPassThrough)
            {
                _hadEndpoints.TrySetResult();
            }
        }
    }

    /// <summary>Who ejects its endpoints; null if nobody does. Written under the service's lock.</summary>
    public OutlierDetector? Detector { get; set; }

    /// <summary>Who knows which of its endpoints are new; null if it does not matter. Written under the service's lock.</summary>
    public SlowStart? SlowStart { get; set; }

    /// <summary>Who counts its requests; null until there was a limit. Written under the service's lock.</summary>
    public DestinationBreaker? Breaker { get; set; }

    /// <summary>Who fails its calls at once when too many fail; null if nobody does. Written under the service's lock.</summary>
    public DestinationCircuit? Circuit { get; set; }

    /// <summary>How many retries it gets; made with its first request.</summary>
    public RetryBudget Retries => Volatile.Read(ref _retries) ?? CreateBudget();

    /// <summary>The budget, if there was a request.</summary>
    public RetryBudget? KnownRetries => Volatile.Read(ref _retries);

    /// <summary>What hedging knows of it; made with the first request that may be hedged.</summary>
    public HedgeState Hedges => Volatile.Read(ref _hedges) ?? CreateHedges();

    /// <summary>The same, if there was such a request.</summary>
    public HedgeState? KnownHedges => Volatile.Read(ref _hedges);

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

    private HedgeState CreateHedges()
    {
        Interlocked.CompareExchange(ref _hedges, new HedgeState(Service.Resilience.Time), null);
        return _hedges;
    }

    private RetryBudget CreateBudget()
    {
        var time = Service.Resilience.Time;
        Interlocked.CompareExchange(ref _retries, new RetryBudget(time, View.RetryBudget, time.GetTimestamp()), null);

        Service.Called();

        // A view that came meanwhile has not seen it.
        _retries.Settings = View.RetryBudget;
        return _retries;
    }
}

/// <summary>The endpoints that may take traffic, and how one is chosen. Immutable but for the picker, which is made at the first pick.</summary>
internal sealed class DestinationView(EndpointState[] endpoints, LoadBalancerConfig? loadBalancer)
{
    private static readonly RetryBudgetConfig s_retryBudget = new();

    public static readonly DestinationView Empty = new([], null);

    public EndpointState[] Endpoints { get; } = endpoints;

    public LoadBalancerConfig? LoadBalancer { get; } = loadBalancer;

    /// <summary>Whether calls go to the address that was dialled (Istio: PASSTHROUGH, or a ServiceEntry without resolution).</summary>
    public bool IsPassThrough { get; init; }

    /// <summary>Whether ejected endpoints are among them, because too few are healthy.</summary>
    public bool IsPanicking { get; init; }

    /// <summary>Who is told what became of attempts; null if nobody wants to know.</summary>
    public OutlierDetector? Detector { get; init; }

    /// <summary>Whether anybody wants to know what became of attempts.</summary>
    public bool IsReported => Detector is not null || Circuit is not null;

    /// <summary>Who counts requests in flight; null if they have no limit.</summary>
    public DestinationBreaker? Breaker { get; init; }

    /// <summary>Who fails calls at once when too many fail; null if nobody does.</summary>
    public DestinationCircuit? Circuit { get; init; }

    /// <summary>The name of the application's own pipeline around each attempt; null if there is none.</summary>
    public string? ResiliencePipeline { get; init; }

    /// <summary>How many retries may be under way; null for any number.</summary>
    public int? MaxRetries { get; init; }

    public RetryBudgetConfig RetryBudget { get; init; } = s_retryBudget;

    /// <summary>How traffic is shared out, if the weights of endpoints do not say all; else null.</summary>
    public ViewBalance? Balance { get; init; }

    /// <summary>Endpoints of the next priority, which take no traffic but as a last resort; null for none.</summary>
    public DestinationView? Next { get; init; }

    /// <summary>
    /// The view that another attempt is picked from: this one, or, if all its endpoints were tried, the next priority that
    /// has one that was not.
    /// </summary>
    public DestinationView ForRetry(EndpointState[] tried)
    {
        for (var view = Next is null ? null : this; view is not null; view = view.Next)
        {
            foreach (var endpoint in view.Endpoints)
            {
                if (!tried.AsSpan().Contains(endpoint))
                {
                    return view;
                }
            }
        }

        return this;
    }

    /// <summary>The client's picker for exactly these endpoints.</summary>
    public object? Picker;
}
