using System.Diagnostics.Metrics;
using Mesh.Discovery.Catalogs;
using Mesh.Discovery.Consul;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime.Balancing;
using Mesh.Discovery.Runtime.Resilience;
using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Runtime;

/// <summary>
/// Follows all rule sources and catalogs and keeps the present <see cref="MeshSnapshot"/>.
/// </summary>
/// <remarks>
/// <para>Readers take <see cref="Current"/> and never lock. All writers (sources and catalogs, each on its own task) take
/// one lock, change what is theirs, and publish:</para>
/// <para>endpoints of a known service → that service's views only; a new service, or new rules → a new snapshot, which is
/// one dictionary over the services; the services themselves and their live state are carried over.</para>
/// <para>The first rules decide whether the host starts: any error in them stops it, with all errors told. Later errors
/// are told in the log, and what was good stays (see <see cref="RuleBook"/>). A source or catalog that fails is called
/// again with a growing pause; nothing that it said before is forgotten.</para>
/// </remarks>
internal sealed partial class MeshRuntime : IAsyncDisposable, IDisposable
{
    public const string MeterName = "Mesh.Discovery";

    /// <summary>Under this name a service holds the endpoints that rules give it.</summary>
    private const string RulesAsCatalog = "rules";

    /// <summary>The longest DNS name.</summary>
    private const int MaxHost = 253;

    private readonly Lock _lock = new();
    private readonly MeshOptions _options;
    private readonly IReadOnlyList<IRuleSource> _sources;
    private readonly IReadOnlyList<IEndpointCatalog> _catalogs;
    private readonly Func<ServiceName, Task>[] _onDemand;
    private readonly RuleBook _rules;
    private readonly RetryPolicy _defaultRetries;
    private readonly FaultPlan? _defaultFault;
    private readonly TimeProvider _time;
    private readonly IRandomSource _random;
    private readonly ILogger _logger;
    private readonly Counter<long> _rejected;
    private readonly CancellationTokenSource _stop = new();
    private readonly Dictionary<string, ServiceState> _services = new(StringComparer.OrdinalIgnoreCase);
    private readonly HashSet<string> _entryHosts = new(StringComparer.OrdinalIgnoreCase);
    private readonly HashSet<string> _unsynced;
    private readonly HashSet<string> _unread;
    private readonly BalancingContext _balancing;
    private readonly TaskCompletionSource _synced = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _read = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<Task> _watches = [];
    private volatile MeshSnapshot _current = MeshSnapshot.Empty;
    private volatile InboundRules _inbound = InboundRules.Empty;
    private IReadOnlyList<RuleIssue> _reported = [];
    private long _revision;
    private long _syncAsked;
    private Task? _start;
    private bool _hasRules;

    /// <summary>Whether the set of services is another than that of <see cref="_current"/>.</summary>
    private bool _servicesChanged;

    public MeshRuntime(
        MeshOptions options,
        IReadOnlyList<IRuleSource> sources,
        IReadOnlyList<IEndpointCatalog> catalogs,
        IReadOnlySet<string> policies,
        TimeProvider time,
        IRandomSource random,
        IMeterFactory meters,
        ILogger<MeshRuntime> logger,
        IReadOnlySet<string>? pipelines = null)
    {
        _options = options;
        _sources = sources;
        _catalogs = catalogs;
        _onDemand =
        [
            .. catalogs.OfType<IOnDemandCatalog>().Select(static catalog => (Func<ServiceName, Task>)catalog.FollowAsync),
            .. sources.OfType<IOnDemandRuleSource>().Select(static source => (Func<ServiceName, Task>)source.FollowAsync),
        ];
        _time = time;
        _random = random;
        _logger = logger;
        _defaultRetries = RetryPolicy.Default(options.Outbound.RetryAttempts);
        _defaultFault = FaultPlan.Create(null, options.Outbound.HeaderFaults);
        _rules = new RuleBook(new RuleCompiler(
            options.Namespace, new Labels(options.Labels), policies, options.Outbound.RetryAttempts, options.Service,
            options.Outbound.HeaderFaults, pipelines)
        {
            Workload = new Workload(options.Service, options.Namespace, new Labels(options.Labels), options.Security.RootNamespace)
            {
                HasIdentity = options.Security.IsOn,
                TrustDomainAliases = [.. options.Security.TrustDomainAliases],
            },
        });
        foreach (var consul in catalogs.OfType<ConsulCatalog>())
        {
            consul.IsNamed = Knows;
        }

        foreach (var source in sources)
        {
            _rules.AddSource(source.Name, source.Precedence);
        }

        _unread = [.. sources.Select(static source => source.Name)];
        _unsynced = [.. catalogs.Select(static catalog => catalog.Name)];
        var meter = meters.Create(MeterName);
        _rejected = meter.CreateCounter<long>(
            "mesh.config.rejected", "{change}", "Changes of the rules that were refused, wholly or in part.");
        _ownService = options.Service.Length > 0 ? new ServiceName(options.Service, options.Namespace) : null;
        _ownAddress = options.Advertise?.Authority;
        _balancing = new BalancingContext(
            options.Locality, new Labels(options.Labels), options.Outbound.LocalityLbSetting,
            $"{Environment.MachineName}/{Environment.ProcessId}/{options.Advertise?.Authority}", PeersWanted);
        Resilience = new ResilienceContext(
            time, random, new ResilienceEvents(meter, logger), options.Outbound.OutlierDetection, options.Outbound.RetryBudget,
            options.Outbound.CircuitBreaker);
    }

    /// <summary>What destinations need to protect themselves.</summary>
    public ResilienceContext Resilience { get; }

    /// <summary>The present view. Never null; empty before the first one.</summary>
    public MeshSnapshot Current => _current;

    /// <summary>What holds for requests that this process serves.</summary>
    public InboundRules Inbound => _inbound;

    /// <summary>Raised, one at a time, after <see cref="Inbound"/> may have changed. Handlers must be quick and must not throw.</summary>
    public event Action? InboundChanged;

    /// <summary>What is wrong with the rules as their sources have them now.</summary>
    public IReadOnlyList<RuleIssue> Issues
    {
        get
        {
            lock (_lock)
            {
                return _rules.Issues;
            }
        }
    }

    public IReadOnlyList<IEndpointCatalog> Catalogs => _catalogs;

    /// <summary>Done when rules are in use and every catalog has told its first full view.</summary>
    public Task Synced => _synced.Task;

    /// <summary>The catalogs that have not told their first full view yet.</summary>
    public IReadOnlyList<string> Unsynced
    {
        get
        {
            lock (_lock)
            {
                return [.. _unsynced];
            }
        }
    }

    /// <summary>Starts to follow sources and catalogs; done when the first rules are in use. Calling it again waits for the same.</summary>
    /// <exception cref="MeshConfigurationException">The first rules have errors.</exception>
    public Task StartAsync(CancellationToken cancel)
    {
        lock (_lock)
        {
            _start ??= StartCoreAsync();
        }

        return _start.WaitAsync(cancel);
    }

    private async Task StartCoreAsync()
    {
        // Watches outlive whoever started them, so they must not carry that caller's activity and culture along.
        using (ExecutionContext.SuppressFlow())
        {
            foreach (var source in _sources)
            {
                _watches.Add(FollowAsync(source.Name, stop => source.WatchAsync(batch => TakeRules(source, batch), stop)));
            }
        }

        // A source that is slow to answer does not keep the process from starting; its rules join when they come.
        if (_sources.Count > 0)
        {
            await WaitAtMostAsync(_read.Task, _options.Outbound.FirstViewTimeout, _stop.Token).ConfigureAwait(false);
        }

        UseFirstRules();
        using (ExecutionContext.SuppressFlow())
        {
            foreach (var catalog in _catalogs)
            {
                _watches.Add(FollowAsync(catalog.Name, stop => catalog.WatchAsync(new Observer(this, catalog.Name), stop)));
            }
        }

        CompleteIfSynced();
    }

    /// <summary>
    /// Waits for the first view of all catalogs, but, from the first caller on and for all together, no longer than the
    /// given time. What catalogs have told until then is in <see cref="Current"/> in any case.
    /// </summary>
    public async Task WaitForSyncAsync(TimeSpan atMost, CancellationToken cancel)
    {
        var now = _time.GetTimestamp();
        var first = Interlocked.CompareExchange(ref _syncAsked, now, 0);
        var left = first == 0 ? atMost : atMost - _time.GetElapsedTime(first, now);
        await WaitAtMostAsync(_synced.Task, left, cancel).ConfigureAwait(false);
        if (!_synced.Task.IsCompleted)
        {
            lock (_lock)
            {
                if (_servicesChanged)
                {
                    Publish();
                }
            }
        }
    }

    /// <summary>Whether services are followed only when they are called.</summary>
    public bool FollowsOnDemand => _onDemand.Length > 0;

    /// <summary>
    /// Sees to it that catalogs and rule sources that follow services on demand follow this one, and waits until they have
    /// told of it, but at most <see cref="OutboundOptions.FirstViewTimeout"/>.
    /// </summary>
    /// <returns>Whether all have told.</returns>
    public async ValueTask<bool> FollowAsync(ServiceName service, CancellationToken cancel)
    {
        var told = new List<Task>(_onDemand.Length);
        foreach (var follow in _onDemand)
        {
            var task = follow(service);
            if (!task.IsCompleted)
            {
                told.Add(task);
            }
        }

        if (told.Count > 0)
        {
            var all = Task.WhenAll(told);
            await WaitAtMostAsync(all, _options.Outbound.FirstViewTimeout, cancel).ConfigureAwait(false);
            return all.IsCompleted;
        }

        return true;
    }

    /// <summary>As the other one, for a service that is known; afterwards it need not be asked for again.</summary>
    public async ValueTask FollowAsync(ServiceState service, CancellationToken cancel)
    {
        if (!service.IsFollowed)
        {
            service.IsFollowed = await FollowAsync(service.Name, cancel).ConfigureAwait(false);
        }
    }

    private bool Knows(ServiceName service)
    {
        lock (_lock)
        {
            return _services.ContainsKey(service.Host);
        }
    }

    /// <summary>The service that a host would be, whether anybody knows it or not; null for what can be none.</summary>
    public ServiceName? NameOf(string host) =>
        host.Length == 0 || host.Length > MaxHost || Uri.CheckHostName(host) != UriHostNameType.Dns
            || host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
            ? null
            : ServiceName.Resolve(host, _options.Namespace);

    /// <summary>
    /// Waits until the destination has had an endpoint: from the first caller on, and for all together, at most
    /// <see cref="OutboundOptions.FirstViewTimeout"/>. Done at once if it had one and lost it.
    /// </summary>
    public Task WaitForEndpointsAsync(DestinationState destination, CancellationToken cancel)
    {
        var now = _time.GetTimestamp();
        var left = _options.Outbound.FirstViewTimeout - _time.GetElapsedTime(destination.FirstAsked(now), now);
        return left > TimeSpan.Zero ? WaitAtMostAsync(destination.HadEndpoints, left, cancel) : Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        if (_stop.IsCancellationRequested)
        {
            return;
        }

        await _stop.CancelAsync().ConfigureAwait(false);
        Task? start;
        lock (_lock)
        {
            start = _start;
        }

        // Whatever it throws has been told to those who wait for it.
        await (start ?? Task.CompletedTask).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Task.WhenAll(_watches).ConfigureAwait(false);
        await _followPeers.ConfigureAwait(false);
        foreach (var service in _services.Values)
        {
            service.Stop();
        }

        foreach (var endpoint in _services.Values.SelectMany(static service => service.Endpoints))
        {
            endpoint.Retire();
            endpoint.Transport?.Dispose();
        }

        _stop.Dispose();
    }

    /// <summary>For containers that are disposed synchronously, which refuse services that cannot be.</summary>
    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    private async Task WaitAtMostAsync(Task task, TimeSpan atMost, CancellationToken cancel)
    {
        if (task.IsCompleted || atMost <= TimeSpan.Zero)
        {
            return;
        }

        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var limit = Task.Delay(atMost, _time, waiting.Token);
        await Task.WhenAny(task, limit).ConfigureAwait(false);
        await waiting.CancelAsync().ConfigureAwait(false);
        cancel.ThrowIfCancellationRequested();
    }

    private Task FollowAsync(string name, Func<CancellationToken, Task> watch) =>
        SourceWatch.RunAsync(name, watch, _time, _random, _logger, _stop.Token);

    private void TakeRules(IRuleSource source, RuleBatch batch)
    {
        lock (_lock)
        {
            _rules.Publish(source.Name, batch);
            var wasFirst = _unread.Remove(source.Name);
            if (_hasRules)
            {
                TryUseRules();
            }
            else if (wasFirst && _unread.Count == 0)
            {
                _read.TrySetResult();
            }
        }

        CompleteIfSynced();
    }

    private void UseFirstRules()
    {
        lock (_lock)
        {
            if (!_hasRules)
            {
                TryUseRules();
            }

            if (!_hasRules)
            {
                throw new MeshConfigurationException(
                    [.. _rules.Issues.Where(static i => i.Severity == IssueSeverity.Error).Select(static i => i.ToString())]);
            }
        }
    }

    private void TryUseRules()
    {
        lock (_lock)
        {
            var isNew = _rules.Compile(isFirst: !_hasRules);

            // What is wrong with first rules that are not used at all is told by an exception.
            _hasRules |= isNew;
            Report();
            if (!isNew)
            {
                return;
            }

            Apply(_rules.Compiled!);
            Publish();
            _inbound = _rules.Compiled!.Inbound;
            InboundChanged?.Invoke();
        }
    }

    /// <summary>Tells each issue once, and says what has become of it.</summary>
    private void Report()
    {
        var issues = _rules.Issues;
        var known = new HashSet<RuleIssue>(_reported);
        var isRefused = false;
        foreach (var issue in issues)
        {
            if (!known.Contains(issue))
            {
                if (issue.Severity == IssueSeverity.Warning)
                {
                    Log.RuleWarning(_logger, issue);
                }
                else if (_hasRules)
                {
                    Log.RuleRefused(_logger, issue);
                    isRefused = true;
                }
            }
        }

        if (isRefused)
        {
            _rejected.Add(1);
        }
        else if (_hasRules && !HasErrors(issues) && HasErrors(_reported))
        {
            Log.RulesGoodAgain(_logger);
        }

        _reported = issues;
    }

    private static bool HasErrors(IReadOnlyList<RuleIssue> issues) =>
        issues.Any(static issue => issue.Severity == IssueSeverity.Error);

    /// <summary>Gives every service its rules: the ones that have changed get new routes, the others notice nothing.</summary>
    /// <remarks>
    /// Calls go on meanwhile. So what new routes need (endpoints, subsets) comes before the routes, and what old routes
    /// needed goes after them.
    /// </remarks>
    private void Apply(CompiledRules rules)
    {
        var entries = new Dictionary<string, ServiceEntryHost>(StringComparer.OrdinalIgnoreCase);
        var named = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var entry in rules.Entries)
        {
            entries[entry.Name.Host] = entry;
            var service = GetService(entry.Name);
            if (entry.Endpoints.Count > 0)
            {
                service.SetEndpoints(RulesAsCatalog, entry.Endpoints);
            }
        }

        foreach (var (host, table) in rules.Tables.Exact)
        {
            if (!_services.ContainsKey(host))
            {
                GetService(ServiceName.Resolve(host, _options.Namespace));
            }

            named.Add(host);
            Bind(table, named);
        }

        foreach (var (suffix, table) in rules.Tables.Wildcards)
        {
            named.Add(GetService(ServiceName.External("*" + suffix)).Name.Host);
            Bind(table, named);
        }

        foreach (var service in _services.Values)
        {
            SetPolicy(service, rules, entries.GetValueOrDefault(service.Name.Host));
        }

        foreach (var service in _services.Values)
        {
            SetRoutes(service, rules);
        }

        foreach (var host in _entryHosts.Union(entries.Keys, StringComparer.OrdinalIgnoreCase))
        {
            if (!entries.TryGetValue(host, out var entry) || entry.Endpoints.Count == 0)
            {
                _services[host].SetEndpoints(RulesAsCatalog, []);
            }
        }

        _entryHosts.Clear();
        _entryHosts.UnionWith(entries.Keys);
        named.UnionWith(entries.Keys);
        Forget(named);
        UpdatePeers();
    }

    /// <summary>A host that nobody but former rules knew is unknown again.</summary>
    private void Forget(HashSet<string> named)
    {
        foreach (var (host, service) in _services)
        {
            if (!service.IsInCatalog && !named.Contains(host))
            {
                service.Stop();
                _services.Remove(host);
                _servicesChanged = true;
            }
        }
    }

    private static void SetPolicy(ServiceState service, CompiledRules rules, ServiceEntryHost? entry) =>
        service.SetPolicy(rules.DestinationRules.Find(service.Name.Host), entry is { IsPassThrough: true }, entry?.SubjectAltNames);

    private static void SetRoutes(ServiceState service, CompiledRules rules)
    {
        var host = service.Name.Host;
        service.SetRoutes(
            host.StartsWith('*') ? rules.Tables.TryGetExact(host, out var own) ? own : null : rules.Tables.Find(host),
            rules.Guards.Find(service.Name));
    }

    /// <summary>Gives the arms their destinations, and adds the hosts of these.</summary>
    private void Bind(RouteTable table, HashSet<string> named)
    {
        foreach (var arm in table.Routes.SelectMany(static route => route.Arms))
        {
            // Again for routes that were bound before: their service may have been forgotten meanwhile.
            var service = GetService(arm.Key.Service);
            arm.Destination = service.GetDestination(arm.Key);
            named.Add(service.Name.Host);
            foreach (var other in arm.Failover ?? [])
            {
                var standIn = GetService(other.Key.Service);
                other.Destination = standIn.GetDestination(other.Key);
                named.Add(standIn.Name.Host);
            }
        }

        foreach (var mirror in table.Routes.SelectMany(static route => route.Mirrors))
        {
            var service = GetService(mirror.Target.Key.Service);
            mirror.Target.Destination = service.GetDestination(mirror.Target.Key);
            named.Add(service.Name.Host);
        }
    }

    private ServiceState GetService(ServiceName name)
    {
        if (!_services.TryGetValue(name.Host, out var service))
        {
            var known = name.IsExternal ? ServiceName.Literal(name.Host) : name;
            _services[name.Host] = service = new ServiceState(known, RankOf, _defaultRetries, Resilience, _defaultFault, _balancing)
            {
                IsFollowed = !FollowsOnDemand,
            };
            _servicesChanged = true;
            if (_rules.Compiled is { } rules)
            {
                SetPolicy(service, rules, entry: null);
                SetRoutes(service, rules);
            }
        }

        return service;
    }

    /// <summary>Rules first, then catalogs in the order in which they are configured.</summary>
    private int RankOf(string catalog)
    {
        for (var i = 0; i < _catalogs.Count; i++)
        {
            if (_catalogs[i].Name == catalog)
            {
                return i + 1;
            }
        }

        return 0;
    }

    private void Publish()
    {
        _revision++;
        _current = _servicesChanged
            ? new MeshSnapshot(_revision, [.. _services.Values], _options.Namespace, _rules.Status)
            : _current.With(_revision, _rules.Status);
        _servicesChanged = false;
    }

    private void TakeEndpoints(string catalog, ServiceName name, IReadOnlyList<Endpoint> endpoints)
    {
        lock (_lock)
        {
            if (endpoints.Count == 0 && !_services.ContainsKey(name.Host))
            {
                return;
            }

            var service = GetService(name);
            service.IsInCatalog |= endpoints.Count > 0;
            service.SetEndpoints(catalog, endpoints);
            UpdatePeers();

            // Before the first full view nobody is served from this catalog's new services, so one publication at its
            // end is enough, however many there are.
            if (_servicesChanged && !_unsynced.Contains(catalog))
            {
                Publish();
            }
        }
    }

    /// <param name="catalog">The catalog.</param>
    /// <param name="reported">The hosts that it has: what it told in an earlier, broken watch and not again is gone.</param>
    private void TakeSync(string catalog, HashSet<string> reported)
    {
        lock (_lock)
        {
            foreach (var service in _services.Values)
            {
                if (!reported.Contains(service.Name.Host))
                {
                    service.SetEndpoints(catalog, []);
                }
            }

            UpdatePeers();
            if (_unsynced.Remove(catalog))
            {
                Publish();
                Log.CatalogSynced(_logger, catalog, _services.Count);
            }
        }

        CompleteIfSynced();
    }

    private void CompleteIfSynced()
    {
        lock (_lock)
        {
            if (_hasRules && _unread.Count == 0 && _unsynced.Count == 0)
            {
                _synced.TrySetResult();
                SayIfAlone();
            }
        }
    }

    /// <summary>Listens to one watch of a catalog.</summary>
    private sealed class Observer(MeshRuntime runtime, string catalog) : ICatalogObserver
    {
        private HashSet<string>? _reported = new(StringComparer.OrdinalIgnoreCase);

        public void ServiceChanged(ServiceName service, IReadOnlyList<Endpoint> endpoints)
        {
            _reported?.Add(service.Host);
            runtime.TakeEndpoints(catalog, service, endpoints);
        }

        public void Synced()
        {
            if (Interlocked.Exchange(ref _reported, null) is { } reported)
            {
                runtime.TakeSync(catalog, reported);
            }
        }
    }
}
