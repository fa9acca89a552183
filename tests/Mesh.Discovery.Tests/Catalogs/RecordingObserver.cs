using System.Collections.Concurrent;
using Mesh.Discovery.Catalogs;

namespace Mesh.Discovery.Tests.Catalogs;

/// <summary>Remembers what a catalog reported.</summary>
internal sealed class RecordingObserver : ICatalogObserver
{
    private readonly ConcurrentDictionary<ServiceName, IReadOnlyList<Endpoint>> _services = [];

    public ConcurrentQueue<ServiceName> Changes { get; } = [];

    public int SyncedCount { get; private set; }

    public TaskCompletionSource FirstSync { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public IReadOnlyList<Endpoint> this[ServiceName service] => _services.GetValueOrDefault(service, []);

    public void ServiceChanged(ServiceName service, IReadOnlyList<Endpoint> endpoints)
    {
        Changes.Enqueue(service);
        _services[service] = endpoints;
    }

    public void Synced()
    {
        SyncedCount++;
        FirstSync.TrySetResult();
    }
}
