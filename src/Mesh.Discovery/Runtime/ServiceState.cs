using System.Collections.Concurrent;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;

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
    private readonly Lock _lock = new();
    private readonly ConcurrentDictionary<DestinationKey, DestinationState> _destinations = new();
    private readonly Dictionary<string, IReadOnlyList<Endpoint>> _sources = new(StringComparer.Ordinal);
    private readonly Dictionary<EndpointKey, EndpointState> _states = [];
    private readonly Func<string, int> _rankOf;
    private readonly RouteTable _defaultRoutes;
    private volatile EndpointState[] _endpoints = [];
    private volatile RouteTable _routes;
    private volatile DestinationRuleConfig? _rule;
    private volatile bool _isPassThrough;
    private volatile bool _hasPorts;

    /// <param name="name">The service.</param>
    /// <param name="rankOf">The order of catalogs: where two know one address, the lower rank's description holds.</param>
    /// <param name="retries">What holds where no route says otherwise.</param>
    public ServiceState(ServiceName name, Func<string, int> rankOf, RetryPolicy retries)
    {
        Name = name;
        _rankOf = rankOf;

        var key = new DestinationKey(name);
        var arm = new RouteArm { Key = key, Weight = 1, Destination = GetDestination(key) };
        _defaultRoutes = new RouteTable("", [new Route { Name = "default", Arms = [arm], TotalWeight = 1, Retries = retries }]);
        _routes = _defaultRoutes;
    }

    public ServiceName Name { get; }

    /// <summary>All endpoints, also those that take no traffic.</summary>
    public EndpointState[] Endpoints => _endpoints;

    public RouteTable Routes => _routes;

    public DestinationRuleConfig? Rule => _rule;

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
                known = new DestinationState(this, key) { View = CreateView_NeedsLock(key) };
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
            else
            {
                _sources[source] = endpoints;
            }

            Merge_NeedsLock();
            RenewViews_NeedsLock();
        }
    }

    /// <summary>Takes new rules; null for none.</summary>
    public void SetRules(RouteTable? routes, DestinationRuleConfig? rule, bool isPassThrough)
    {
        lock (_lock)
        {
            var policyChanged = !ReferenceEquals(rule, _rule) || isPassThrough != _isPassThrough;
            _rule = rule;
            _isPassThrough = isPassThrough;
            if (policyChanged)
            {
                RenewViews_NeedsLock();
            }
        }

        _routes = routes ?? _defaultRoutes;
    }

    private void RenewViews_NeedsLock()
    {
        foreach (var destination in _destinations.Values)
        {
            destination.View = CreateView_NeedsLock(destination.Key);
        }
    }

    private void Merge_NeedsLock()
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
                    _states[key] = state = new EndpointState(Name, endpoint);
                }
                else if (!ReferenceEquals(state.Endpoint, endpoint))
                {
                    state.Endpoint = endpoint;
                }

                merged.Add(state);
            }
        }

        // Published before the leavers are retired: whoever still holds an older view finds the endpoint retired and
        // picks again.
        _endpoints = [.. merged];
        _hasPorts = hasPorts;
        if (_states.Count > seen.Count)
        {
            foreach (var (key, state) in _states)
            {
                if (!seen.Contains(key))
                {
                    _states.Remove(key);
                    state.Retire();
                }
            }
        }
    }

    private DestinationView CreateView_NeedsLock(DestinationKey key)
    {
        var subset = key.Subset is null ? null : _rule?.Subsets.FirstOrDefault(s => s.Name == key.Subset);
        var loadBalancer = subset?.TrafficPolicy.LoadBalancer ?? _rule?.TrafficPolicy.LoadBalancer;
        var candidates = new List<EndpointState>();
        var anyWeight = false;

        // A subset that the rules no longer define selects nothing: it never leaks into another one.
        if (key.Subset is null || subset is not null)
        {
            foreach (var state in _endpoints)
            {
                var endpoint = state.Endpoint;
                if (endpoint.Health == EndpointHealth.Healthy
                    && (endpoint.ServicePort is null || key.Port is null || endpoint.ServicePort == key.Port)
                    && (subset is null || endpoint.Labels.Contains(subset.Labels)))
                {
                    candidates.Add(state);
                    anyWeight |= endpoint.Weight > 0;
                }
            }
        }

        if (anyWeight)
        {
            candidates.RemoveAll(static state => state.Endpoint.Weight == 0);
        }

        return new DestinationView([.. candidates], loadBalancer)
        {
            IsPassThrough = (_isPassThrough && _endpoints.Length == 0)
                || string.Equals(loadBalancer?.Simple, "PASSTHROUGH", StringComparison.OrdinalIgnoreCase),
        };
    }

    private readonly record struct EndpointKey(string Authority, string Scheme, int? ServicePort);
}
