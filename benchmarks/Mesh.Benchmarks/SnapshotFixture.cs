using System.Diagnostics.Metrics;
using Mesh.Discovery;
using Mesh.Discovery.Catalogs;
using Mesh.Discovery.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mesh.Benchmarks;

/// <summary>A mesh of 10 000 services with 10 endpoints each, and the change of one endpoint.</summary>
internal sealed class SnapshotFixture
{
    public const int Services = 10_000;
    public const int EndpointsEach = 10;

    private readonly Catalog _catalog = new();
    private readonly MeshRuntime _runtime;
    private int _turn;

    private SnapshotFixture()
    {
        var meters = new ServiceCollection().AddMetrics().BuildServiceProvider().GetRequiredService<IMeterFactory>();
        _runtime = new MeshRuntime(
            new MeshOptions(), [], [_catalog], new HashSet<string> { "LEAST_REQUEST" }, TimeProvider.System,
            SystemRandomSource.Instance, meters, NullLogger<MeshRuntime>.Instance);
    }

    public static SnapshotFixture Create()
    {
        var fixture = new SnapshotFixture();
        fixture._runtime.StartAsync(CancellationToken.None).GetAwaiter().GetResult();
        return fixture;
    }

    /// <summary>One endpoint of one service gets another port; every turn another service.</summary>
    public void ChangeOneEndpoint()
    {
        var turn = ++_turn;
        _catalog.Observer!.ServiceChanged(Name(turn % Services), Endpoints(turn % Services, 20_000 + (turn % 10_000)));
    }

    /// <summary>What the change must have done, so that the figure is of real work.</summary>
    public bool IsVisible() =>
        _runtime.Current.Find($"service-{_turn % Services}")!.Endpoints[0].Endpoint.Address.Port == 20_000 + (_turn % 10_000);

    private static ServiceName Name(int service) => new($"service-{service}", "default");

    private static Endpoint[] Endpoints(int service, int port) =>
        [.. Enumerable.Range(0, EndpointsEach).Select(i => new Endpoint
        {
            Address = new Uri($"http://10.{service / 250}.{service % 250}.{i + 1}:{(i == 0 ? port : 8080)}"),
        })];

    private sealed class Catalog : IEndpointCatalog
    {
        public string Name => "Benchmark";

        public ICatalogObserver? Observer { get; private set; }

        public Task WatchAsync(ICatalogObserver observer, CancellationToken stop)
        {
            Observer = observer;
            for (var i = 0; i < Services; i++)
            {
                observer.ServiceChanged(SnapshotFixture.Name(i), Endpoints(i, 8080));
            }

            observer.Synced();
            return Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stop);
        }
    }
}
