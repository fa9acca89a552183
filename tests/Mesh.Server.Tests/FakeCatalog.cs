using Mesh.Discovery;
using Mesh.Discovery.Catalogs;

namespace Mesh.Server.Tests;

/// <summary>A catalog whose first view and registrations a test controls.</summary>
internal sealed class FakeCatalog : IEndpointCatalog, IServiceRegistry
{
    private ICatalogObserver? _observer;

    public string Name => "Fake";

    /// <summary>Attempts to register that fail before one succeeds.</summary>
    public int Failures { get; set; }

    public int Attempts { get; private set; }

    public bool FailsToWithdraw { get; set; }

    /// <summary>Whether withdrawing never ends.</summary>
    public bool Hangs { get; set; }

    public bool SyncsAtOnce { get; init; } = true;

    public TaskCompletionSource<ServiceInstance> Registered { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>All that was registered, in turn.</summary>
    public List<ServiceInstance> Instances { get; } = [];

    public TaskCompletionSource Withdrawn { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Sync() => _observer!.Synced();

    public void Report(ServiceName service, params Endpoint[] endpoints) => _observer!.ServiceChanged(service, endpoints);

    public async Task WatchAsync(ICatalogObserver observer, CancellationToken stop)
    {
        _observer = observer;
        if (SyncsAtOnce)
        {
            observer.Synced();
        }

        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stop);
    }

    public ValueTask<IAsyncDisposable> RegisterAsync(ServiceInstance instance, CancellationToken cancel)
    {
        Attempts++;
        if (Attempts <= Failures)
        {
            throw new IOException("The registry is away.");
        }

        Registered.TrySetResult(instance);
        lock (Instances)
        {
            Instances.Add(instance);
        }

        return new(new Registration(this));
    }

    private sealed class Registration(FakeCatalog catalog) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            catalog.Withdrawn.TrySetResult();
            if (catalog.Hangs)
            {
                return new ValueTask(Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System));
            }

            return catalog.FailsToWithdraw ? throw new IOException("The registry is away.") : ValueTask.CompletedTask;
        }
    }
}
