using System.Net;
using Mesh.Discovery.Catalogs;
using Mesh.Discovery.Consul.Registration;
using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Consul;

/// <summary>
/// The services of a Consul cluster. Each one that the process calls is followed by a query of its own; a process that
/// starts follows those at once that the saved view holds.
/// </summary>
/// <remarks>
/// Names that Consul does not know are followed as well, so that a service is seen as soon as it registers, but only the
/// last <see cref="MaxAbsent"/> of them: each query holds a connection, and anybody may make a process call any name.
/// </remarks>
internal sealed partial class ConsulCatalog : IOnDemandCatalog, IServiceRegistry
{
    public const string CatalogName = "Consul";

    /// <summary>How many names without instances are followed at a time.</summary>
    private const int MaxAbsent = 32;

    private readonly Lock _lock = new();
    private readonly ConsulConnection _consul;
    private readonly MeshOptions _options;
    private readonly Dictionary<string, FollowedService> _followed = new(StringComparer.OrdinalIgnoreCase);
    private readonly LinkedList<FollowedService> _absent = [];

    /// <summary>Followed from the start to the end, whether they have instances or not.</summary>
    private readonly HashSet<ServiceName> _wanted;
    private ICatalogObserver? _observer;
    private CancellationToken _stop;

    public ConsulCatalog(ConsulConnection consul, MeshOptions options)
    {
        _consul = consul;
        _options = options;
        _wanted = [.. consul.Options.Follow.Select(name => ServiceName.Resolve(name, options.Namespace))];
    }

    public string Name => CatalogName;

    /// <summary>Whether rules or other catalogs name a service, whatever Consul knows of it.</summary>
    public Func<ServiceName, bool>? IsNamed { get; set; }

    /// <summary>Follows the rules of a service too, so that its first call finds them.</summary>
    public Func<ServiceName, Task>? FollowRules { get; set; }

    /// <summary>Told of a name that is not followed any more, because it has no instances and many others are asked for.</summary>
    public Action<ServiceName>? Forgotten { get; set; }

    /// <summary>How it stands with the agent.</summary>
    public ConsulConnection Connection => _consul;

    public async ValueTask<IAsyncDisposable> RegisterAsync(ServiceInstance instance, CancellationToken cancel) =>
        await ConsulRegistration.StartAsync(
            _consul.Client, _consul.Options, _consul.Time, _consul.Random, _consul.Logger, instance, cancel).ConfigureAwait(false);

    public async Task WatchAsync(ICatalogObserver observer, CancellationToken stop)
    {
        var first = new List<Task>();
        lock (_lock)
        {
            _observer = observer;
            _stop = stop;
            foreach (var service in _followed.Values)
            {
                Start(service);
            }
        }

        var known = _consul.Saved.Queries().Select(query => ConsulQueries.ServiceOf(query, _options)).OfType<ServiceName>();
        foreach (var service in known.Concat(_wanted))
        {
            first.Add(FollowAsync(service));
            if (FollowRules is { } followRules)
            {
                first.Add(followRules(service));
            }
        }

        await Task.WhenAll(first).WaitAsync(stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!stop.IsCancellationRequested)
        {
            observer.Synced();
        }

        await Task.Delay(Timeout.InfiniteTimeSpan, _consul.Time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Task[] ending;
        lock (_lock)
        {
            ending = [.. _followed.Values.Select(static service => service.Running)];
            _followed.Clear();
            _absent.Clear();
            _observer = null;
        }

        await Task.WhenAll(ending).ConfigureAwait(false);
    }

    public Task FollowAsync(ServiceName service)
    {
        if (ConsulServiceName.From(service) is not { } name)
        {
            return Task.CompletedTask;
        }

        FollowedService? followed;
        FollowedService? oldest = null;
        lock (_lock)
        {
            if (!_followed.TryGetValue(service.Host, out followed))
            {
                _followed[service.Host] = followed = new FollowedService(this, service, name);
                _absent.AddLast(followed);
                oldest = TakeOldest();
                if (_observer is not null)
                {
                    Start(followed);
                }
            }
        }

        if (oldest is not null)
        {
            oldest.Forget();
            Forgotten?.Invoke(oldest.Name);
        }

        return followed.Told;
    }

    /// <summary>
    /// Makes room among the names without instances; needs the lock. Neither one that somebody waits for goes, nor one that
    /// rules or the options name: nobody would ask for that again.
    /// </summary>
    private FollowedService? TakeOldest()
    {
        if (_absent.Count <= MaxAbsent)
        {
            return null;
        }

        for (var node = _absent.First; node is not null; node = node.Next)
        {
            if (node.Value.Told.IsCompleted && !_wanted.Contains(node.Value.Name) && IsNamed?.Invoke(node.Value.Name) != true)
            {
                _absent.Remove(node);
                _followed.Remove(node.Value.Name.Host);
                node.Value.IsForgotten = true;
                return node.Value;
            }
        }

        return null;
    }

    /// <summary>Needs the lock.</summary>
    private void Start(FollowedService service)
    {
        // The watch outlives the call that wants it, and must not carry its activity along.
        using (ExecutionContext.SuppressFlow())
        {
            service.Start(_stop);
        }
    }

    private void Tell(FollowedService service, IReadOnlyList<Endpoint> endpoints)
    {
        lock (_lock)
        {
            if (_observer is null || service.IsForgotten)
            {
                return;
            }

            _observer.ServiceChanged(service.Name, endpoints);
            if (endpoints.Count > 0)
            {
                _absent.Remove(service);
            }
        }
    }

    /// <summary>One service that is called.</summary>
    private sealed class FollowedService(ConsulCatalog catalog, ServiceName name, ConsulServiceName inConsul)
    {
        private readonly TaskCompletionSource _told = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly CancellationTokenSource _forget = new();
        private readonly ShrinkGuard _guard = new(catalog._consul.Options.ShrinkHold, catalog._consul.Time);
        private readonly HealthReader _reader = new(catalog._consul.Options);
        private readonly ConsulQuery<HealthEntry[]> _query = ConsulQueries.Health(inConsul, catalog._consul.Options);
        private readonly ConsulQuery<HealthEntry[]>? _connectQuery =
            catalog._consul.Options.UsesConnect && catalog._options.Security.AutoMtls ? ConsulQueries.Connect(inConsul, catalog._consul.Options) : null;

        private readonly Lock _views = new();
        private IReadOnlyList<Endpoint> _inUse = [];
        private HealthEntry[]? _instances;
        private HealthEntry[]? _connect;

        public ServiceName Name => name;

        public Task Told => _told.Task;

        public Task Running { get; private set; } = Task.CompletedTask;

        /// <summary>Set under the catalog's lock, so that nothing is told of it any more.</summary>
        public bool IsForgotten { get; set; }

        public void Start(CancellationToken stop) => Running = RunAsync(stop);

        /// <summary>Ends the watch; whoever asks for the service again starts a new one.</summary>
        public void Forget() => _forget.Cancel();

        private async Task RunAsync(CancellationToken stop)
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(stop, _forget.Token);
            var watch = new ConsulWatch<HealthEntry[]>(catalog._consul, _query, TakeAsync, failed: () => _told.TrySetResult());
            var sidecars = _connectQuery is null ? Task.CompletedTask
                : new ConsulWatch<HealthEntry[]>(catalog._consul, _connectQuery, TakeConnectAsync, failed: () => _told.TrySetResult()).RunAsync(either.Token);
            await watch.RunAsync(either.Token).ConfigureAwait(false);
            await sidecars.ConfigureAwait(false);
            _told.TrySetResult();
        }

        private async ValueTask<WatchVerdict> TakeAsync(ConsulView<HealthEntry[]> view, CancellationToken cancel)
        {
            IReadOnlyList<Endpoint> told;
            lock (_views)
            {
                told = _reader.Read(view.Value, inConsul.Namespace, catalog._options.Namespace, _connect);
            }

            if (told.Count == 0 && !view.IsRestored && (_inUse.Count > 0 || !_told.Task.IsCompleted))
            {
                await ProbeRightsAsync(view.IsFiltered, cancel).ConfigureAwait(false);
            }

            lock (_views)
            {
                _instances = view.Value;
                if (view.IsRestored && _connectQuery is not null && _connect is null && catalog._consul.Saved.Load(_connectQuery.Path) is null)
                {
                    // There were none, or they would have been saved as well.
                    _connect = [];
                }

                return Judge_NeedsLock(view, told);
            }
        }

        private ValueTask<WatchVerdict> TakeConnectAsync(ConsulView<HealthEntry[]> view, CancellationToken cancel)
        {
            lock (_views)
            {
                _connect = view.Value;
                return ValueTask.FromResult(Judge_NeedsLock(view, null));
            }
        }

        /// <summary>Nothing is told before both are known: who is behind a sidecar must not be called past it.</summary>
        /// <param name="view">What has changed.</param>
        /// <param name="told">What it means by itself.</param>
        private WatchVerdict Judge_NeedsLock(ConsulView<HealthEntry[]> view, IReadOnlyList<Endpoint>? told)
        {
            // The services of one name in several namespaces share Consul's answer, and so what is saved.
            var isSaved = view.Value.Length > 0;
            if (_instances is null || (_connect is null && _connectQuery is not null))
            {
                return WatchVerdict.Believed(isSaved);
            }

            if (_connectQuery is not null)
            {
                told = _reader.Read(_instances, inConsul.Namespace, catalog._options.Namespace, _connect);
            }

            var verdict = _guard.Judge(told!, view.AfterTrouble, view.IsFirstAfterFailure);
            if (verdict.IsNew)
            {
                Log.Doubted(catalog._consul.Logger, name, verdict.Before, verdict.Now, verdict.LookAgain!.Value);
            }

            _inUse = verdict.Endpoints;
            catalog.Tell(this, verdict.Endpoints);
            _told.TrySetResult();
            return new WatchVerdict(verdict.LookAgain is null, isSaved, verdict.LookAgain);
        }

        /// <summary>Consul leaves out what the token may not see, without a word: an empty answer may mean that.</summary>
        private async ValueTask ProbeRightsAsync(bool isFiltered, CancellationToken cancel)
        {
            AclRight[] asked =
            [
                new("service", "read", inConsul.Service),

                // At the start no node is known: the right to all of them.
                .. _inUse.Count == 0 ? [new AclRight("node", "read", "")] : Array.Empty<AclRight>(),
                .. _inUse.Select(static endpoint => endpoint.Consul!.Node.Name).Distinct(StringComparer.Ordinal)
                    .Select(static node => new AclRight("node", "read", node)),
            ];
            var missing = await ConsulRights.FindMissingAsync(catalog._consul.Client, asked, cancel).ConfigureAwait(false);
            if (missing is not null || isFiltered)
            {
                var right = missing is null ? _query.Right
                    : missing.Segment.Length > 0 ? $"{missing.Resource} \"{missing.Segment}\" {{ policy = \"read\" }}"
                    : $"{missing.Resource}_prefix \"\" {{ policy = \"read\" }}";
                throw new ConsulException(
                    $"Consul at {catalog._consul.Client.Agent} leaves out all instances of {inConsul.Service}, because the token lacks the right {right}.",
                    HttpStatusCode.Forbidden);
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(331, LogLevel.Warning, "Consul suddenly knows {Now} healthy instances of {Service} and not {Before}: what is missing is used for another {Hold}, unless it comes back before.")]
        public static partial void Doubted(ILogger logger, ServiceName service, int before, int now, TimeSpan hold);
    }
}
