using System.Collections.Concurrent;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime.Balancing;
using Mesh.Discovery.Runtime.Resilience;

namespace Mesh.Discovery.Runtime;

/// <summary>
/// The living side of a service: its endpoints and destinations, which survive updates, and its present routes.
/// </summary>
/// <remarks>
/// Readers take <see cref="Routes"/>, <see cref="Endpoints"/> and a destination's view, each one volatile reference;
/// writers take the lock. A change costs in proportion to this service: its endpoints are compared by address, states are
/// reused, and only its own destinations get new views.
/// </remarks>
internal sealed class ServiceState
{
    private static readonly ConnectionPoolConfig s_noLimits = new();

    private readonly Lock _lock = new();
    private readonly ConcurrentDictionary<DestinationKey, DestinationState> _destinations = new();
    private readonly Dictionary<string, IReadOnlyList<Endpoint>> _sources = new(StringComparer.Ordinal);
    private readonly Dictionary<EndpointKey, EndpointState> _states = [];
    private readonly Func<string, int> _rankOf;
    private readonly BalancingContext _balancing;
    private readonly RouteTable _defaultRoutes;
    private volatile EndpointState[] _endpoints = [];
    private volatile RouteTable _routes;
    private volatile DestinationRuleConfig? _rule;
    private TlsSettingsConfig? _tls;
    private volatile bool _isPassThrough;
    private volatile bool _hasPorts;
    private HealthChecker? _checks;
    private bool _isCalled;

    /// <param name="name">The service.</param>
    /// <param name="rankOf">The order of catalogs: where two know one address, the lower rank's description holds.</param>
    /// <param name="retries">What holds where no route says otherwise.</param>
    /// <param name="resilience">What its destinations need to protect themselves.</param>
    /// <param name="fault">Whether faults may be asked for where no route says so.</param>
    /// <param name="balancing">Who calls it; null if that does not matter.</param>
    public ServiceState(
        ServiceName name, Func<string, int> rankOf, RetryPolicy retries, ResilienceContext resilience, FaultPlan? fault = null,
        BalancingContext? balancing = null)
    {
        Name = name;
        Resilience = resilience;
        _rankOf = rankOf;
        _balancing = balancing ?? BalancingContext.Unknown;

        var key = new DestinationKey(name);
        var arm = new RouteArm { Key = key, Weight = 1, Destination = GetDestination(key) };
        _defaultRoutes = new RouteTable("", [new Route
        {
            Name = "default",
            Arms = [arm],
            TotalWeight = 1,
            Retries = retries,
            Extras = fault is null ? RouteExtras.None : RouteExtras.Fault,
            Fault = fault,
        }]);
        _routes = _defaultRoutes;
    }

    public ServiceName Name { get; }

    public ResilienceContext Resilience { get; }

    /// <summary>The lock of all that changes the service.</summary>
    public Lock Sync => _lock;

    /// <summary>All endpoints, also those that take no traffic.</summary>
    public EndpointState[] Endpoints => _endpoints;

    public RouteTable Routes => _routes;

    public DestinationRuleConfig? Rule => _rule;

    /// <summary>Who asks its endpoints whether they are well; null if nobody does.</summary>
    public HealthChecker? Checks => Volatile.Read(ref _checks);

    /// <summary>Whether a catalog has ever named the service, which makes it known whatever rules say.</summary>
    public bool IsInCatalog { get; set; }

    /// <summary>Whether everybody who follows services on demand has told of this one. Read with every call, and set once.</summary>
    public bool IsFollowed { get; set; }

    public ICollection<DestinationState> Destinations => _destinations.Values;

    /// <summary>Whether endpoints answer for one port of the service only.</summary>
    public bool HasPorts => _hasPorts;

    public DestinationState GetDestination(DestinationKey key)
    {
        if (_destinations.TryGetValue(key, out var known))
        {
            return known;
        }

        // Under the lock, so that a view made from older endpoints never replaces a newer one.
        lock (_lock)
        {
            if (!_destinations.TryGetValue(key, out known))
            {
                known = new DestinationState(this, key);
                known.View = CreateView_NeedsLock(known);
                _destinations[key] = known;
            }

            return known;
        }
    }

    /// <summary>Takes what one catalog knows of the service.</summary>
    public void SetEndpoints(string source, IReadOnlyList<Endpoint> endpoints)
    {
        lock (_lock)
        {
            if (endpoints.Count == 0)
            {
                if (!_sources.Remove(source))
                {
                    return;
                }
            }
            else if (_sources.TryGetValue(source, out var known) && known.SequenceEqual(endpoints))
            {
                return;
            }
            else
            {
                _sources[source] = endpoints;
            }

            // Leavers are retired after no view holds them: whoever took one from an older view finds it retired, picks
            // again, and must then find the new view.
            var leavers = Merge_NeedsLock();
            _checks?.Update_NeedsLock(_endpoints);
            RenewViews_NeedsLock();
            foreach (var leaver in leavers)
            {
                leaver.Retire();
            }
        }
    }

    /// <summary>Takes the routes, null for none but the default, and what is refused before them.</summary>
    public void SetRoutes(RouteTable? routes, Guard? guard = null)
    {
        var table = routes ?? _defaultRoutes;
        _routes = guard is null ? table : table.With(guard);
    }

    /// <summary>Takes subsets and policies; null for none.</summary>
    /// <param name="rule">The rule.</param>
    /// <param name="isPassThrough">Whether calls go to the address that was dialled.</param>
    /// <param name="subjectAltNames">Who may answer over TLS, where the rule does not say so.</param>
    public void SetPolicy(DestinationRuleConfig? rule, bool isPassThrough, IReadOnlyList<string>? subjectAltNames = null)
    {
        lock (_lock)
        {
            var tls = TlsOf(rule, subjectAltNames);
            var policyChanged = !ReferenceEquals(rule, _rule) || isPassThrough != _isPassThrough || tls != _tls;
            _rule = rule;
            _isPassThrough = isPassThrough;
            _tls = tls;
            if (policyChanged)
            {
                var connections = rule?.TrafficPolicy.ConnectionPool?.Connections;
                foreach (var state in _states.Values)
                {
                    state.Connections = connections;
                    state.Tls = tls;
                }

                UpdateChecks_NeedsLock(rule?.TrafficPolicy.HealthCheck);
                RenewViews_NeedsLock();
            }
        }
    }

    /// <summary>One of its destinations has had its first request: who only knows a service need not check it.</summary>
    public void Called()
    {
        lock (_lock)
        {
            if (!_isCalled)
            {
                _isCalled = true;
                UpdateChecks_NeedsLock(_rule?.TrafficPolicy.HealthCheck);
            }
        }
    }

    /// <summary>Gives a destination a new view, because one of its endpoints was ejected, came back, or is less new.</summary>
    public void RenewView_NeedsLock(DestinationState destination) => destination.View = CreateView_NeedsLock(destination);

    /// <summary>Stops all timers.</summary>
    public void Stop()
    {
        lock (_lock)
        {
            foreach (var destination in _destinations.Values)
            {
                destination.Detector?.Stop_NeedsLock();
                destination.Detector = null;
                destination.SlowStart?.Stop_NeedsLock();
                destination.SlowStart = null;
            }

            UpdateChecks_NeedsLock(null);
        }
    }

    /// <summary>Renews the views that depend on the instances of the caller's own service, which have changed.</summary>
    public void RenewForPeers()
    {
        lock (_lock)
        {
            foreach (var destination in _destinations.Values)
            {
                if (destination.View.Balance?.Balance.Settings is { UsesPeers: true })
                {
                    RenewView_NeedsLock(destination);
                }
            }
        }
    }

    /// <summary>Gives all destinations new views.</summary>
    public void RenewViews_NeedsLock()
    {
        foreach (var destination in _destinations.Values)
        {
            RenewView_NeedsLock(destination);
        }
    }

    /// <summary>Returns the endpoints that are gone.</summary>
    private List<EndpointState> Merge_NeedsLock()
    {
        var merged = new List<EndpointState>();
        var seen = new HashSet<EndpointKey>();
        IEnumerable<KeyValuePair<string, IReadOnlyList<Endpoint>>> sources = _sources;
        if (_sources.Count > 1)
        {
            sources = _sources.OrderBy(pair => _rankOf(pair.Key));
        }

        var hasPorts = false;
        foreach (var (_, endpoints) in sources)
        {
            foreach (var endpoint in endpoints)
            {
                var key = new EndpointKey(endpoint.Address.Authority, endpoint.Address.Scheme, endpoint.ServicePort);
                if (!seen.Add(key))
                {
                    continue;
                }

                hasPorts |= endpoint.ServicePort is not null;
                if (!_states.TryGetValue(key, out var state))
                {
                    _states[key] = state = new EndpointState(Name, endpoint)
                    {
                        Connections = _rule?.TrafficPolicy.ConnectionPool?.Connections,
                        Tls = _tls,
                    };
                }
                else if (!ReferenceEquals(state.Endpoint, endpoint))
                {
                    state.Endpoint = endpoint;
                }

                merged.Add(state);
            }
        }

        _endpoints = [.. merged];
        _hasPorts = hasPorts;
        var leavers = new List<EndpointState>();
        if (_states.Count > seen.Count)
        {
            foreach (var (key, state) in _states)
            {
                if (!seen.Contains(key))
                {
                    _states.Remove(key);
                    leavers.Add(state);
                }
            }
        }

        return leavers;
    }

    private static TlsSettingsConfig? TlsOf(DestinationRuleConfig? rule, IReadOnlyList<string>? subjectAltNames)
    {
        var tls = rule?.TrafficPolicy.Tls;
        return subjectAltNames is not { Count: > 0 } || tls is { SubjectAltNames.Count: > 0 }
            ? tls
            : (tls ?? new TlsSettingsConfig()) with { SubjectAltNames = subjectAltNames };
    }

    private DestinationView CreateView_NeedsLock(DestinationState destination)
    {
        var key = destination.Key;
        if (key.Subset is not null && _rule?.Subsets.FirstOrDefault(s => s.Name == key.Subset) is { } defined)
        {
            destination.Subset = defined;
        }

        var subset = destination.Subset;
        var policy = _rule?.TrafficPolicy ?? TrafficPolicyConfig.Default;
        policy = subset?.TrafficPolicy.Or(policy) ?? policy;
        var loadBalancer = policy.LoadBalancer;

        // Istio: no load balancing at all, the call goes to the address that was dialled.
        var isPassThrough = string.Equals(loadBalancer?.Simple, "PASSTHROUGH", StringComparison.OrdinalIgnoreCase);
        var detector = UpdateDetector_NeedsLock(destination, isPassThrough ? null : policy.OutlierDetection ?? Resilience.OutlierDetection);
        var balancing = isPassThrough ? null : BalanceSettings.Of(loadBalancer, detector is not null, _balancing);

        // A subset that was never defined selects nothing: it never leaks into another one.
        var selection = isPassThrough || (key.Subset is not null && subset is null)
            ? EndpointSelection.Nothing
            : EndpointSelection.Of(_endpoints, key.Port, subset, balancing);
        Func<List<EndpointState>, bool>? isCovered = balancing is null ? null : usable => ViewBalance.IsCovered(selection.All, usable, balancing);
        var ignoresChecks = false;
        var used = _checks?.Select_NeedsLock(destination, selection, isCovered, out ignoresChecks) ?? selection.Healthy;
        var slowStart = UpdateSlowStart_NeedsLock(destination, loadBalancer, used);
        var isPanicking = false;
        used = detector?.Select_NeedsLock(
            used, selection.All.Count,
            isCovered,
            out isPanicking) ?? used;
        isPanicking |= ignoresChecks;
        var balance = balancing is null && slowStart is not { IsWarming: true } ? null
            : ViewBalance.Create(selection.All, used, balancing, slowStart, Resilience.Time.GetTimestamp(), isPanicking);
        return new DestinationView(balance?.Endpoints ?? [.. used], loadBalancer)
        {
            IsPassThrough = isPassThrough || (_isPassThrough && _endpoints.Length == 0),
            IsPanicking = isPanicking,
            Detector = detector,
            Breaker = UpdateBreaker_NeedsLock(destination, policy.ConnectionPool, policy.AdaptiveConcurrency),
            Circuit = UpdateCircuit_NeedsLock(destination, policy.CircuitBreaker ?? Resilience.CircuitBreaker),
            ResiliencePipeline = policy.ResiliencePipeline?.Name,
            MaxRetries = policy.ConnectionPool?.MaxRetries,
            RetryBudget = policy.RetryBudget ?? Resilience.RetryBudget,
            Balance = balance,
            Next = NextOf(balance, loadBalancer),
        };
    }

    /// <summary>The priorities that stand by, each a view of its own.</summary>
    private static DestinationView? NextOf(ViewBalance? balance, LoadBalancerConfig? loadBalancer)
    {
        DestinationView? next = null;
        for (var i = balance?.StandBy.Count - 1 ?? -1; i >= 0; i--)
        {
            next = new DestinationView(balance!.StandBy[i], loadBalancer) { Next = next };
        }

        return next;
    }

    /// <summary>Hashing agrees on endpoints, which shares that change would undo; so it knows no newcomers (Envoy).</summary>
    private SlowStart? UpdateSlowStart_NeedsLock(
        DestinationState destination, LoadBalancerConfig? loadBalancer, List<EndpointState> healthy)
    {
        if (loadBalancer is not { Warmup: { } warmup, ConsistentHash: null })
        {
            destination.SlowStart?.Stop_NeedsLock();
            destination.SlowStart = null;
            return null;
        }

        destination.SlowStart ??= new SlowStart(destination, Resilience.Time) { Settings = warmup };
        destination.SlowStart.Settings = warmup;
        destination.SlowStart.Update_NeedsLock(healthy);
        return destination.SlowStart;
    }

    /// <summary>Checks begin anew with new settings: what they knew was found out in another way.</summary>
    private void UpdateChecks_NeedsLock(HealthCheckConfig? settings)
    {
        if (_isCalled && settings != _checks?.Settings)
        {
            _checks?.Stop_NeedsLock();
            _checks = settings is null || Resilience.Prober is not { } prober ? null : new HealthChecker(this, Resilience, prober, settings);
            _checks?.Update_NeedsLock(_endpoints);
        }
    }

    /// <summary>The detector survives with all that it knows as long as there are settings for it.</summary>
    private OutlierDetector? UpdateDetector_NeedsLock(DestinationState destination, OutlierDetectionConfig? settings)
    {
        if (settings is not { IsActive: true })
        {
            destination.Detector?.Stop_NeedsLock();
            destination.Detector = null;
        }
        else if (destination.Detector is null)
        {
            destination.Detector = new OutlierDetector(destination, Resilience, settings);
        }
        else
        {
            destination.Detector.Settings = settings;
        }

        return destination.Detector;
    }

    /// <summary>The circuit survives with its state as long as there are settings for it.</summary>
    private DestinationCircuit? UpdateCircuit_NeedsLock(DestinationState destination, CircuitBreakerConfig? settings)
    {
        if (settings is not null)
        {
            destination.Circuit ??= new DestinationCircuit(destination.Name, Resilience);
        }

        destination.Circuit?.Use(settings);
        return destination.Circuit = settings is null ? null : destination.Circuit;
    }

    private DestinationBreaker? UpdateBreaker_NeedsLock(
        DestinationState destination, ConnectionPoolConfig? limits, AdaptiveConcurrencyConfig? adaptive)
    {
        adaptive = adaptive is { Mode: AdaptiveConcurrencyMode.Off } ? null : adaptive;
        if (limits is not { LimitsRequests: true } && adaptive is null)
        {
            return null;
        }

        limits ??= s_noLimits;

        if (destination.Breaker is null)
        {
            destination.Breaker = new DestinationBreaker(limits);
        }
        else
        {
            destination.Breaker.Limits = limits;
        }

        if (adaptive is null)
        {
            destination.Breaker.Adaptive = null;
        }
        else if (destination.Breaker.Adaptive is { } known)
        {
            known.Settings = adaptive;
        }
        else
        {
            destination.Breaker.Adaptive = new AdaptiveLimit(adaptive, Resilience.Time, Resilience.Random);
        }

        return destination.Breaker;
    }

    private readonly record struct EndpointKey(string Authority, string Scheme, int? ServicePort);
}
