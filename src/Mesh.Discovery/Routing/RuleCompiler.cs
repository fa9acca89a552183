using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;

namespace Mesh.Discovery.Routing;

/// <summary>
/// Turns rule documents into route tables, for one calling process, and finds everything that is wrong with them.
/// </summary>
/// <remarks>
/// Order of work: service entries (they say which hosts are literal), destination rules (they define subsets), virtual
/// services (they refer to both), intentions. Of two documents for one host the one with the higher precedence is in
/// effect, but destination rules of different precedence are merged; two of the same precedence are an error of the later
/// one, because Istio's "the older one wins" surprised too many people.
/// Compiled routes are kept for the next run and reused for documents that are the same objects. Not safe for concurrent
/// use.
/// </remarks>
internal sealed class RuleCompiler(
    string ownNamespace, Labels ownLabels, IReadOnlySet<string> policies, int retryAttempts, string ownService = "",
    bool headerFaults = false, IReadOnlySet<string>? pipelines = null)
{
    /// <summary>The process, as rules about requests served see it. Default: what is known without <c>Mesh:Security</c>.</summary>
    public Workload Workload { get; init; } = new(ownService, ownNamespace, ownLabels, new SecurityOptions().RootNamespace);

    private Dictionary<VirtualServiceConfig, CompiledService> _compiled = new(ReferenceEqualityComparer.Instance);

    public CompiledRules Compile(IReadOnlyList<PlacedRule> rules)
    {
        var run = new Run(this, rules);
        var result = run.Execute();
        _compiled = run.Cacheable;
        return result;
    }

    /// <summary>One compilation.</summary>
    private sealed class Run(RuleCompiler compiler, IReadOnlyList<PlacedRule> rules)
    {
        private readonly IssueList _issues = new();
        private readonly HashSet<RuleConfig> _inEffect = new(ReferenceEqualityComparer.Instance);
        private readonly Dictionary<string, PlacedRule> _entryByHost = new(StringComparer.OrdinalIgnoreCase);
        private readonly HostTable<DestinationRuleConfig> _destinationRules = new();
        private readonly Dictionary<string, List<PlacedRule>> _ownersOfDestination = new(StringComparer.OrdinalIgnoreCase);
        private readonly GuardTable _guards = new(compiler.OwnService, compiler.OwnNamespace);
        private readonly HostTable<RouteTable> _tables = new();
        private readonly Dictionary<(string Namespace, string Name), VirtualServiceConfig> _delegates = [];
        private readonly HashSet<VirtualServiceConfig> _delegated = new(ReferenceEqualityComparer.Instance);
        private readonly HashSet<VirtualServiceConfig> _checkedTargets = new(ReferenceEqualityComparer.Instance);

        public Dictionary<VirtualServiceConfig, CompiledService> Cacheable { get; } = new(ReferenceEqualityComparer.Instance);

        public CompiledRules Execute()
        {
            var unique = WithoutDuplicates();
            foreach (var placed in unique.Where(static p => p.Rule is ServiceEntryConfig))
            {
                AddServiceEntry(placed, (ServiceEntryConfig)placed.Rule);
            }

            foreach (var placed in unique.Where(static p => p.Rule is DestinationRuleConfig))
            {
                AddDestinationRule(placed, (DestinationRuleConfig)placed.Rule);
            }

            AddVirtualServices(unique);
            AddIntentions(unique);
            var inbound = InboundRules.Create(unique, compiler.Workload, _inEffect, _issues);
            return new CompiledRules(_tables, _destinationRules, Entries(), _guards, inbound, _inEffect, _issues);
        }

        /// <summary>
        /// The strongest first, so that whoever comes later is hidden or wrong. Of documents of one kind, namespace and
        /// name the first stays, but destination rules for the same host are merged; equally strong ones are an error.
        /// </summary>
        private List<PlacedRule> WithoutDuplicates()
        {
            var kept = new List<PlacedRule>(rules.Count);
            var byName = new Dictionary<(string, string, string), PlacedRule>(rules.Count);
            foreach (var placed in rules.OrderByDescending(static p => p.Precedence))
            {
                var key = (placed.Rule.Kind, placed.Rule.Namespace, placed.Rule.Name);
                if (byName.TryAdd(key, placed))
                {
                    kept.Add(placed);
                }
                else if (byName[key] is var other && other.Precedence == placed.Precedence)
                {
                    Conflict(placed, other, $"the name '{placed.Rule.Name}' is used twice");
                }
                else if (placed.Rule is DestinationRuleConfig rule && ((DestinationRuleConfig)other.Rule).Host == rule.Host)
                {
                    kept.Add(placed);
                }
            }

            return kept;
        }

        private void AddServiceEntry(PlacedRule placed, ServiceEntryConfig entry)
        {
            if (entry.Hosts.Count == 0)
            {
                _issues.Error(entry.Location, "hosts is empty; a ServiceEntry needs at least one host");
            }

            foreach (var written in entry.Hosts)
            {
                if (written == "*")
                {
                    _issues.Error(entry.Location, "the host '*' is not allowed; name the hosts, or use '*.domain'");
                    continue;
                }

                var host = ServiceName.Literal(written).Host;
                if (_entryByHost.TryAdd(host, placed))
                {
                    _inEffect.Add(entry);
                }
                else if (_entryByHost[host] is var other && other.Precedence == placed.Precedence)
                {
                    Conflict(placed, other, $"the host '{host}' is defined twice");
                }
            }
        }

        private void AddDestinationRule(PlacedRule placed, DestinationRuleConfig rule)
        {
            foreach (var twice in rule.Subsets.GroupBy(static s => s.Name).Where(static g => g.Count() > 1))
            {
                _issues.Error(twice.Last().Location, $"the subset '{twice.Key}' is defined twice; names of subsets are unique");
            }

            CheckPolicy(rule.TrafficPolicy);
            foreach (var subset in rule.Subsets)
            {
                CheckPolicy(subset.TrafficPolicy);
            }

            var host = Resolve(rule.Host, rule.Namespace).Host;
            if (!_ownersOfDestination.TryGetValue(host, out var owners))
            {
                _ownersOfDestination[host] = [placed];
                _destinationRules.Set(host, rule);
                _inEffect.Add(rule);
            }
            else if (owners.Find(other => other.Precedence == placed.Precedence) is { } equal)
            {
                Conflict(placed, equal, $"the host '{host}' already has a DestinationRule");
            }
            else if (_destinationRules.TryGetExact(host, out var strong))
            {
                owners.Add(placed);
                var merged = DestinationRuleMerge.Merge(strong, rule);
                if (!ReferenceEquals(merged, strong))
                {
                    _destinationRules.Set(host, merged);
                    _inEffect.Add(rule);
                }
            }
        }

        private void CheckPolicy(TrafficPolicyConfig policy)
        {
            CheckLoadBalancer(policy.LoadBalancer);
            CheckPipeline(policy.ResiliencePipeline);
            if (policy is { LoadBalancer: { Simple: "PASSTHROUGH" } passThrough }
                && (policy.OutlierDetection is not null || policy.ConnectionPool is not null))
            {
                _issues.Warning(passThrough.Location,
                    "outlierDetection and connectionPool have no effect with PASSTHROUGH: such calls go to the address that is dialled, not to endpoints");
            }

            if (policy is { LoadBalancer: { Simple: "PASSTHROUGH" } unsecured, Tls.Mode: not (null or TlsMode.Disable) })
            {
                _issues.Warning(unsecured.Location,
                    "tls has no effect with PASSTHROUGH, where the mesh makes no connections: calls to http addresses will be refused");
            }

            if (policy is { LoadBalancer: { Simple: "PASSTHROUGH" } notBalanced }
                && (policy.CircuitBreaker is { State: CircuitBreakerState.Auto } || policy.ResiliencePipeline is not null))
            {
                _issues.Warning(notBalanced.Location,
                    "resiliencePipeline, and circuitBreaker but for its state, have no effect with PASSTHROUGH: such calls are not attempts at endpoints");
            }
        }

        private void CheckLoadBalancer(LoadBalancerConfig? config)
        {
            if (config is null)
            {
                return;
            }

            if (config.Simple is { } name && !compiler.Policies.Contains(name))
            {
                _issues.Error(config.Location,
                    $"the load balancer '{name}' is not known; allowed are {string.Join(", ", compiler.Policies.Order(StringComparer.Ordinal))}");
            }

            if (config.ConsistentHash is { } hash)
            {
                var keys = (hash.HttpHeaderName is null ? 0 : 1) + (hash.HttpQueryParameterName is null ? 0 : 1)
                    + (hash.HttpCookie is null ? 0 : 1) + (hash.UseSourceIp ? 1 : 0);
                if (keys != 1)
                {
                    _issues.Error(config.Location,
                        "consistentHash needs exactly one of httpHeaderName, httpCookie, httpQueryParameterName, useSourceIp");
                }
            }
        }

        private void CheckPipeline(PipelineReference? pipeline)
        {
            if (pipeline is not null && compiler.Pipelines?.Contains(pipeline.Name) != true)
            {
                var known = compiler.Pipelines is { Count: > 0 } names ? string.Join(", ", names.Order(StringComparer.Ordinal)) : "none";
                _issues.Error(pipeline.Location,
                    $"the resilience pipeline '{pipeline.Name}' is not registered; registered by AddResiliencePipeline are: {known}");
            }
        }

        private void AddVirtualServices(List<PlacedRule> unique)
        {
            var services = unique.Where(static p => p.Rule is VirtualServiceConfig).ToList();
            foreach (var placed in services)
            {
                var service = (VirtualServiceConfig)placed.Rule;
                if (service.Hosts.Count == 0)
                {
                    _delegates[(service.Namespace, service.Name)] = service;
                }
            }

            var owner = new Dictionary<string, PlacedRule>(StringComparer.OrdinalIgnoreCase);
            foreach (var placed in services)
            {
                var service = (VirtualServiceConfig)placed.Rule;
                if (service.Hosts.Count == 0)
                {
                    continue;
                }

                var table = new RouteTable($"{service.Namespace}/{service.Name}", CompileRoutes(service));
                foreach (var host in service.Hosts)
                {
                    AddHost(placed, service, host, table, owner);
                }

                // What stronger documents hide may refer to what they hide as well.
                if (_inEffect.Contains(service))
                {
                    CheckReferences(service);
                    foreach (var target in Targets(service))
                    {
                        _inEffect.Add(target);
                        CheckReferences(target);
                    }
                }
            }

            foreach (var service in _delegates.Values)
            {
                if (!_delegated.Contains(service))
                {
                    CompileRoutes(service);
                    _issues.Warning(service.Location, "has no hosts and no other VirtualService delegates to it, so it has no effect");
                }
            }
        }

        /// <summary>Only what concerns this process is kept; what hides it is known by now.</summary>
        private void AddIntentions(List<PlacedRule> unique)
        {
            var seen = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
            foreach (var placed in unique)
            {
                if (placed.Rule is ServiceIntentionsConfig intentions
                    && seen.Add(intentions.Host == "*" ? "*" : ServiceName.Resolve(intentions.Host, intentions.Namespace).Host)
                    && _guards.Add(intentions, _issues))
                {
                    _inEffect.Add(intentions);
                }
            }
        }

        private void AddHost(
            PlacedRule placed, VirtualServiceConfig service, string host, RouteTable table, Dictionary<string, PlacedRule> owner)
        {
            if (host == "*")
            {
                _issues.Error(service.Location, "the host '*' is not allowed for calls inside the mesh; name the hosts, or use '*.domain'");
                return;
            }

            var name = Resolve(host, service.Namespace);
            if (owner.TryAdd(name.Host, placed))
            {
                _tables.Set(name.Host, table);
                _inEffect.Add(service);
            }
            else if (owner[name.Host] is var other && other.Precedence == placed.Precedence)
            {
                Conflict(placed, other, $"the host '{name.Host}' already has routes");
            }
        }

        private Route[] CompileRoutes(VirtualServiceConfig service)
        {
            if (compiler._compiled.TryGetValue(service, out var known) && known.Hosts.SequenceEqual(Hosts(service)))
            {
                foreach (var issue in known.Issues)
                {
                    _issues.Add(issue);
                }

                Cacheable[service] = known;
                return known.Routes;
            }

            var before = _issues.Issues.Count;
            var compiled = new List<Route>();
            var names = new HashSet<string>(StringComparer.Ordinal);
            for (var i = 0; i < service.Http.Count; i++)
            {
                var route = service.Http[i];
                var name = NameOf(route, i);
                if (route.Name is not null && !names.Add(name))
                {
                    _issues.Error(route.Location, $"the route name '{name}' is used twice; names of routes are unique in their document");
                }

                CompileRoute(service, route, name, outer: null, compiled);

                // What is delegated to need not match everything.
                if (route.Match.Count == 0 && route.Delegate is null && i < service.Http.Count - 1)
                {
                    _issues.Warning(service.Http[i + 1].Location, $"is never reached: route '{name}' before it matches everything");
                }
            }

            Route[] routes = [.. compiled];
            if (!service.Http.Any(static route => route.Delegate is not null))
            {
                Cacheable[service] = new CompiledService(routes, [.. Hosts(service)], [.. _issues.Issues.Skip(before)]);
            }

            return routes;
        }

        private static string NameOf(RouteConfig route, int index) => route.Name ?? $"#{index + 1}";

        /// <summary>What the document's destinations resolve to, which depends on the service entries.</summary>
        private IEnumerable<ServiceName> Hosts(VirtualServiceConfig service)
        {
            foreach (var route in service.Http)
            {
                foreach (var arm in route.Route)
                {
                    yield return Resolve(arm.Host, service.Namespace);
                    foreach (var other in arm.Failover)
                    {
                        yield return Resolve(other.Host, service.Namespace);
                    }
                }

                foreach (var mirror in route.Mirrors)
                {
                    yield return Resolve(mirror.Host, service.Namespace);
                }
            }
        }

        private void CompileRoute(VirtualServiceConfig service, RouteConfig config, string name, RouteMatch[]? outer, List<Route> routes)
        {
            var actions = (config.Route.Count > 0 ? 1 : 0) + (config.Redirect is null ? 0 : 1)
                + (config.DirectResponse is null ? 0 : 1) + (config.Delegate is null ? 0 : 1);
            if (actions != 1)
            {
                _issues.Error(config.Location, actions == 0
                    ? "a route needs an action: one of route, redirect, directResponse, delegate"
                    : "a route has exactly one action: route, redirect, directResponse or delegate, not several");
            }

            CheckExtras(config);
            var matches = CompileMatches(config, outer, out var isForOthers);
            var weights = CheckWeights(config);
            var arms = config.Route.Select(arm => CompileArm(service, arm, config.Route.Count)).ToArray();
            var requestHeaders = HeaderOperations.Create(config.Headers?.Request);
            var rewrite = UriRewrite.Create(config.Rewrite, _issues);
            var fault = config.Route.Count == 0 ? null : FaultPlan.Create(config.Fault, compiler.HeaderFaults);
            var mirrors = CompileMirrors(service, config);
            var changes = rewrite is not null || requestHeaders is not null || arms.Any(static arm => arm.RequestHeaders is not null);
            var route = new Route
            {
                Name = name,
                Matches = matches,
                Arms = [.. arms.Where(static arm => arm.Weight > 0)],
                TotalWeight = weights,
                Redirect = config.Redirect,
                DirectResponse = config.DirectResponse,
                Rewrite = rewrite,
                RequestHeaders = requestHeaders,
                ResponseHeaders = HeaderOperations.Create(config.Headers?.Response),
                Timeout = config.Timeout,
                IdleTimeout = config.IdleTimeout,
                Retries = RetryPolicy.Create(config.Retries, compiler.RetryAttempts, _issues),
                Hedging = config.Hedging,
                ResiliencePipeline = config.ResiliencePipeline?.Name,
                Extras = (changes ? RouteExtras.ChangesRequest : 0) | (fault is null ? 0 : RouteExtras.Fault)
                    | (mirrors.Length == 0 ? 0 : RouteExtras.Mirrors),
                Fault = fault,
                Mirrors = mirrors,
            };
            if (config.Delegate is { } reference)
            {
                CompileDelegate(service, config, reference, name, matches, isForOthers, routes);
            }
            else if (!isForOthers)
            {
                routes.Add(route);
            }
        }

        /// <summary>
        /// Null: matches everything. An entry for other callers is checked like every one, and then left out. The match
        /// of a route that delegates must hold too.
        /// </summary>
        private RouteMatch[]? CompileMatches(RouteConfig config, RouteMatch[]? outer, out bool isForOthers)
        {
            isForOthers = false;
            if (config.Match.Count == 0)
            {
                return outer;
            }

            var matches = new List<RouteMatch>(config.Match.Count);
            foreach (var entry in config.Match)
            {
                var match = RouteMatch.Create(entry, _issues);
                if (compiler.OwnLabels.Contains(entry.SourceLabels)
                    && (entry.SourceNamespace is null || entry.SourceNamespace.Equals(compiler.OwnNamespace, StringComparison.OrdinalIgnoreCase)))
                {
                    matches.Add(match);
                }
            }

            isForOthers = matches.Count == 0;
            return outer is null ? [.. matches] : [.. outer.SelectMany(_ => matches, static (o, inner) => inner.And(o))];
        }

        /// <summary>
        /// The routes of the other document, each of which holds only where this route's match holds too. As in Istio,
        /// what they leave out (rewrite, timeout, retries, headers) they take from this route.
        /// </summary>
        private void CompileDelegate(
            VirtualServiceConfig service, RouteConfig config, DelegateConfig reference, string name,
            RouteMatch[]? outer, bool isForOthers, List<Route> routes)
        {
            if (service.Hosts.Count == 0)
            {
                _issues.Error(reference.Location, "a VirtualService without hosts cannot delegate further");
                return;
            }

            if (FindTarget(service, reference) is not { } target)
            {
                _issues.Missing(reference.Location,
                    $"there is no VirtualService '{reference.Namespace ?? service.Namespace}/{reference.Name}' without hosts to delegate to");
                return;
            }

            _delegated.Add(target);
            if (_checkedTargets.Add(target))
            {
                CompileRoutes(target);
            }

            for (var i = 0; i < target.Http.Count && !isForOthers; i++)
            {
                var inner = target.Http[i];
                if (inner.Delegate is null)
                {
                    var merged = inner with
                    {
                        Rewrite = inner.Rewrite ?? config.Rewrite,
                        Timeout = inner.Timeout ?? config.Timeout,
                        IdleTimeout = inner.IdleTimeout ?? config.IdleTimeout,
                        Retries = inner.Retries ?? config.Retries,
                        Hedging = inner.Hedging ?? config.Hedging,
                        ResiliencePipeline = inner.ResiliencePipeline ?? (inner.Route.Count > 0 ? config.ResiliencePipeline : null),
                        Headers = inner.Headers ?? config.Headers,
                        Fault = inner.Fault ?? (inner.Route.Count > 0 ? config.Fault : null),
                        Mirrors = inner.Mirrors.Count > 0 || inner.Route.Count == 0 ? inner.Mirrors : config.Mirrors,
                    };
                    CompileRoute(target, merged, $"{name}/{NameOf(inner, i)}", outer, routes);
                }
            }
        }

        private VirtualServiceConfig? FindTarget(VirtualServiceConfig service, DelegateConfig reference) =>
            _delegates.GetValueOrDefault((reference.Namespace ?? service.Namespace, reference.Name));

        private IEnumerable<VirtualServiceConfig> Targets(VirtualServiceConfig service) =>
            service.Http.Select(route => route.Delegate is { } reference ? FindTarget(service, reference) : null).OfType<VirtualServiceConfig>();

        private RouteArm CompileArm(VirtualServiceConfig service, RouteDestinationConfig config, int arms) => new()
        {
            Key = new DestinationKey(Resolve(config.Host, service.Namespace), config.Subset, config.Port),
            Weight = config.Weight ?? (arms == 1 ? 1 : 0),
            RequestHeaders = HeaderOperations.Create(config.Headers?.Request),
            ResponseHeaders = HeaderOperations.Create(config.Headers?.Response),
            Failover = config.Failover.Count == 0 ? null :
            [
                .. config.Failover.Select(other => new RouteArm
                {
                    Key = new DestinationKey(Resolve(other.Host, service.Namespace), other.Subset, other.Port),
                    Weight = 0,
                }),
            ],
        };

        /// <summary>Istio: a route that answers itself has neither; there is nothing to disturb or to copy.</summary>
        private void CheckExtras(RouteConfig config)
        {
            var action = config.Redirect is not null ? "redirect" : config.DirectResponse is not null ? "directResponse" : null;
            if (action is not null && config.Fault is not null)
            {
                _issues.Error(config.Fault.Location, $"a route with a {action} cannot have a fault; faults are for routes to destinations");
            }

            CheckPipeline(config.ResiliencePipeline);
            if (action is not null && config.ResiliencePipeline is not null)
            {
                _issues.Error(
                    config.ResiliencePipeline.Location,
                    $"a route with a {action} cannot have a resilience pipeline; pipelines are for routes to destinations");
            }

            if (action is not null && config.Mirrors.Count > 0)
            {
                _issues.Error(
                    config.Mirrors[0].Location, $"a route with a {action} cannot have mirrors; mirrors are for routes to destinations");
            }
        }

        /// <summary>Those that never get anything are left out.</summary>
        private RouteMirror[] CompileMirrors(VirtualServiceConfig service, RouteConfig config) => config.Route.Count == 0 ? [] :
        [
            .. config.Mirrors.Where(static mirror => mirror.Share.Millionths > 0).Select(mirror => new RouteMirror(
                new RouteArm { Key = new DestinationKey(Resolve(mirror.Host, service.Namespace), mirror.Subset, mirror.Port), Weight = 0 },
                mirror.Share)),
        ];

        private int CheckWeights(RouteConfig config)
        {
            if (config.Route.Count == 0)
            {
                return 0;
            }

            long sum = 0;
            foreach (var arm in config.Route)
            {
                if (arm.Weight < 0)
                {
                    _issues.Error(arm.Location, $"weight {arm.Weight} is not allowed; a weight is a whole number of 0 or more");
                }

                sum += arm.Weight ?? (config.Route.Count == 1 ? 1 : 0);
            }

            if (sum is <= 0 or > int.MaxValue)
            {
                _issues.Error(config.Location, sum > 0
                    ? $"the weights add up to {sum}; at most {int.MaxValue} is allowed"
                    : config.Route.All(static arm => arm.Weight is null)
                        ? "no destination has a weight; of several destinations at least one needs a weight above 0"
                        : "all weights are zero; at least one destination needs a weight above 0");
                return 0;
            }

            foreach (var arm in config.Route.Where(arm => config.Route.Count > 1 && arm.Weight is null))
            {
                _issues.Warning(arm.Location, "has no weight beside destinations that have one, so it takes no traffic");
            }

            return (int)sum;
        }

        /// <summary>Whether the subsets are defined. Depends on other documents, so it is done for unchanged ones too.</summary>
        private void CheckReferences(VirtualServiceConfig service)
        {
            foreach (var arm in service.Http.SelectMany(static route => route.Route))
            {
                CheckSubset(service, arm.Host, arm.Subset, arm.Location);
                foreach (var other in arm.Failover)
                {
                    CheckSubset(service, other.Host, other.Subset, other.Location);
                }
            }

            foreach (var mirror in service.Http.SelectMany(static route => route.Mirrors))
            {
                CheckSubset(service, mirror.Host, mirror.Subset, mirror.Location);
            }
        }

        private void CheckSubset(VirtualServiceConfig service, string written, string? subset, SourceLocation location)
        {
            if (subset is null)
            {
                return;
            }

            var host = Resolve(written, service.Namespace).Host;
            var rule = _destinationRules.Find(host);
            if (rule is null)
            {
                _issues.Missing(location, $"the subset '{subset}' of '{host}' is not defined: no DestinationRule for that host");
            }
            else if (!rule.Subsets.Any(known => known.Name == subset))
            {
                var known = rule.Subsets.Count == 0 ? "none" : string.Join(", ", rule.Subsets.Select(static s => s.Name));
                _issues.Missing(location,
                    $"the subset '{subset}' of '{host}' is not defined; defined are {known} ({rule.Location})");
            }
        }

        private List<ServiceEntryHost> Entries() =>
            [.. _entryByHost.Select(pair => ServiceEntryHost.Create(pair.Key, (ServiceEntryConfig)pair.Value.Rule, _issues))];

        /// <summary>A host that a service entry declares is literal, whatever it looks like.</summary>
        private ServiceName Resolve(string host, string @namespace)
        {
            var literal = ServiceName.Literal(host);
            return _entryByHost.ContainsKey(literal.Host) ? literal : ServiceName.Resolve(host, @namespace);
        }

        private void Conflict(PlacedRule placed, PlacedRule other, string what) =>
            _issues.Error(placed.Rule.Location, $"{what}: it is also in {other.Rule.Location}");
    }

    /// <param name="Routes">The document's routes.</param>
    /// <param name="Hosts">What its destinations resolved to.</param>
    /// <param name="Issues">What was wrong with it by itself.</param>
    private sealed record CompiledService(Route[] Routes, ServiceName[] Hosts, RuleIssue[] Issues);

    private string OwnNamespace => ownNamespace;

    private string OwnService => ownService;

    private Labels OwnLabels => ownLabels;

    private IReadOnlySet<string> Policies => policies;

    private IReadOnlySet<string>? Pipelines => pipelines;

    private int RetryAttempts => retryAttempts;

    private bool HeaderFaults => headerFaults;
}

/// <summary>A rule and how strong its source is.</summary>
internal sealed record PlacedRule(RuleConfig Rule, int Precedence);
