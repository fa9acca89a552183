using System.Collections.Concurrent;
using Mesh.Discovery;
using Mesh.Discovery.Catalogs;

namespace Mesh.Server.Tests.Registration;

/// <summary>
/// Steady load from a plain client that follows a catalog: each request goes to the next endpoint of the present view, and
/// nothing is ever retried.
/// </summary>
internal sealed class FollowingClient : ICatalogObserver, IAsyncDisposable
{
    private readonly ServiceName _service;
    private readonly HttpClient _client = new(new SocketsHttpHandler { UseProxy = false });
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _watch;
    private readonly int[] _finished;
    private volatile Uri[] _endpoints = [];
    private Task[] _workers = [];
    private int _next;

    public FollowingClient(IEndpointCatalog catalog, ServiceName service, int workers)
    {
        _service = service;
        _finished = new int[workers];
        _watch = catalog.WatchAsync(this, _stop.Token);
    }

    public ConcurrentQueue<Exception> Failures { get; } = [];

    public ConcurrentDictionary<string, int> Answers { get; } = [];

    public IReadOnlyCollection<Uri> Endpoints => _endpoints;

    public void ServiceChanged(ServiceName service, IReadOnlyList<Endpoint> endpoints)
    {
        if (service == _service)
        {
            _endpoints = [.. endpoints.Select(static endpoint => endpoint.Address)];
        }
    }

    public void Synced()
    {
    }

    public void Start() => _workers = [.. Enumerable.Range(0, _finished.Length).Select(worker => Task.Run(() => LoadAsync(worker)))];

    /// <summary>Done when the view holds exactly so many endpoints, all of which satisfy the condition.</summary>
    public async Task Sees(int count, Func<Uri, bool> condition, Action? meanwhile = null)
    {
        for (var view = _endpoints; view.Length != count || !view.All(condition); view = _endpoints)
        {
            meanwhile?.Invoke();
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Done when every worker has finished so many more requests, so that none holds an older view.</summary>
    public async Task FinishesRounds(int rounds)
    {
        var before = _finished.ToArray();
        while (_finished.Select((now, worker) => Volatile.Read(ref _finished[worker]) - before[worker]).Any(done => done < rounds))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, TestContext.Current.CancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_workers);
        await _watch;
        _client.Dispose();
        _stop.Dispose();
    }

    private async Task LoadAsync(int worker)
    {
        while (!_stop.IsCancellationRequested)
        {
            var endpoints = _endpoints;
            if (endpoints.Length == 0)
            {
                Failures.Enqueue(new InvalidOperationException("The view is empty."));
                return;
            }

            var endpoint = endpoints[(uint)Interlocked.Increment(ref _next) % endpoints.Length];
            try
            {
                await _client.GetStringAsync(endpoint);
                Answers.AddOrUpdate(endpoint.Authority, 1, static (_, count) => count + 1);
            }
            catch (Exception exception)
            {
                Failures.Enqueue(new InvalidOperationException($"{endpoint}: {exception.Message}", exception));
            }

            Interlocked.Increment(ref _finished[worker]);
        }
    }
}
