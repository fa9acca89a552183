using Mesh.Discovery;
using Mesh.Discovery.Catalogs;

namespace Mesh.Benchmarks.Simulation;

/// <summary>The catalog that a scenario writes: what it is told is with the client at once.</summary>
internal sealed class SimulatedCatalog : IEndpointCatalog
{
    public const string CatalogName = "Simulated";

    private readonly List<Endpoint> _endpoints = [];
    private ICatalogObserver? _observer;

    public string Name => CatalogName;

    public async Task WatchAsync(ICatalogObserver observer, CancellationToken stop)
    {
        _observer = observer;
        Tell();
        observer.Synced();
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stop);
    }

    public void Add(SimulatedEndpoint endpoint)
    {
        _endpoints.Add(new Endpoint { Address = endpoint.Address, Locality = new Locality("eu", endpoint.Zone) });
        Tell();
    }

    public void Remove(SimulatedEndpoint endpoint)
    {
        _endpoints.RemoveAll(known => known.Address == endpoint.Address);
        Tell();
    }

    private void Tell() => _observer?.ServiceChanged(ServiceName.Resolve(SimulationPolicy.Service, "default"), [.. _endpoints]);
}
