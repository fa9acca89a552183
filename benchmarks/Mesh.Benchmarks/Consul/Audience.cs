using System.Diagnostics;
using System.Diagnostics.Metrics;
using Mesh.Discovery;
using Mesh.Discovery.Catalogs;
using Mesh.Discovery.Consul;
using Mesh.Discovery.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mesh.Benchmarks.Consul;

/// <summary>
/// Many clients in one process that follow one service, each with a connection and a snapshot of its own.
/// </summary>
internal sealed class Audience(int clients) : IAsyncDisposable
{
    private readonly Client[] _clients = new Client[clients];

    /// <summary>Starts all and returns when all have the service with that many endpoints.</summary>
    public async Task StartAsync(Uri agent, string service, int endpoints)
    {
        var meters = new ServiceCollection().AddMetrics().BuildServiceProvider().GetRequiredService<IMeterFactory>();
        var name = new ServiceName(service, "default");
        for (var i = 0; i < clients; i++)
        {
            _clients[i] = new Client(agent, name, meters);
        }

        var seen = Await(endpoints);
        await Parallel.ForEachAsync(_clients, async (client, cancel) =>
        {
            await client.Runtime.StartAsync(cancel);
            await client.Runtime.FollowAsync(name, cancel);
        });
        await seen;
    }

    /// <summary>When each client's snapshot had that many endpoints, as <see cref="Stopwatch"/> timestamps.</summary>
    public Task<long[]> Await(int endpoints) => Task.WhenAll(_clients.Select(client => client.Await(endpoints)));

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients)
        {
            await client.DisposeAsync();
        }
    }

    /// <summary>A catalog around the real one, which looks at the snapshot right after the runtime was told.</summary>
    private sealed class Client : IOnDemandCatalog, ICatalogObserver, IAsyncDisposable
    {
        private readonly ConsulConnection _connection;
        private readonly ConsulCatalog _catalog;
        private readonly ServiceName _service;
        private ICatalogObserver? _observer;
        private volatile TaskCompletionSource<long> _seen = new();
        private volatile int _wanted = -1;

        public Client(Uri agent, ServiceName service, IMeterFactory meters)
        {
            var options = new MeshOptions();
            options.Discovery.Consul.Address = agent;
            options.Discovery.Consul.SavedViewPath = "none";
            _service = service;
            _connection = ConsulConnection.Create(
                options, "", TimeProvider.System, SystemRandomSource.Instance, NullLogger.Instance);
            _catalog = new ConsulCatalog(_connection, options);
            Runtime = new MeshRuntime(
                options, [], [this], new HashSet<string> { "LEAST_REQUEST" }, TimeProvider.System,
                SystemRandomSource.Instance, meters, NullLogger<MeshRuntime>.Instance);
        }

        public MeshRuntime Runtime { get; }

        public string Name => _catalog.Name;

        public Task<long> Await(int endpoints)
        {
            _seen = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
            _wanted = endpoints;
            return _seen.Task;
        }

        public Task WatchAsync(ICatalogObserver observer, CancellationToken stop)
        {
            _observer = observer;
            return _catalog.WatchAsync(this, stop);
        }

        public Task FollowAsync(ServiceName service) => _catalog.FollowAsync(service);

        public void ServiceChanged(ServiceName service, IReadOnlyList<Endpoint> endpoints)
        {
            _observer!.ServiceChanged(service, endpoints);
            if (Runtime.Current.Find(_service.Name)?.Endpoints.Length == _wanted)
            {
                _seen.TrySetResult(Stopwatch.GetTimestamp());
            }
        }

        public void Synced() => _observer!.Synced();

        public async ValueTask DisposeAsync()
        {
            await Runtime.DisposeAsync();
            _connection.Dispose();
        }
    }
}
