using Mesh.Discovery;
using Mesh.Discovery.Catalogs;

namespace Mesh.Client.Tests;

/// <summary>A catalog that says what the test says.</summary>
internal sealed class ScriptedCatalog : IEndpointCatalog
{
    public string Name => "Scripted";

    public ICatalogObserver Observer { get; private set; } = null!;

    /// <summary>Endpoints of <c>reviews</c> in the first view; null for no view until the test makes one.</summary>
    public IReadOnlyList<Endpoint>? First { get; set; } = [];

    public async Task WatchAsync(ICatalogObserver observer, CancellationToken stop)
    {
        Observer = observer;
        if (First is not null)
        {
            observer.ServiceChanged(ServiceName.Resolve("reviews", "default"), First);
            observer.Synced();
        }

        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stop);
    }
}
