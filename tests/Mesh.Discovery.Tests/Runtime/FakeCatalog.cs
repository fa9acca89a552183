using Mesh.Discovery.Catalogs;

namespace Mesh.Discovery.Tests.Runtime;

/// <summary>A catalog that says what the test says.</summary>
internal sealed class FakeCatalog(string name) : IEndpointCatalog
{
    private TaskCompletionSource _end = new();

    public string Name { get; } = name;

    public ICatalogObserver Observer { get; private set; } = null!;

    /// <summary>Told at the start of each watch.</summary>
    public Action<ICatalogObserver>? OnWatch { get; set; }

    public int Watches { get; private set; }

    public bool Ended { get; private set; }

    public async Task WatchAsync(ICatalogObserver observer, CancellationToken stop)
    {
        _end = new TaskCompletionSource();
        Observer = observer;
        Watches++;
        OnWatch?.Invoke(observer);
        using var registration = stop.Register(() => _end.TrySetCanceled(stop));
        try
        {
            await _end.Task;
        }
        finally
        {
            Ended = stop.IsCancellationRequested;
        }
    }

    public void Say(ServiceName service, params Endpoint[] endpoints) => Observer.ServiceChanged(service, endpoints);

    /// <summary>Ends the present watch; continues synchronously.</summary>
    public void Fail(Exception error) => _end.TrySetException(error);
}
