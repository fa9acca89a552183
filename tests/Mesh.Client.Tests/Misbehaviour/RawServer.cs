using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Mesh.Client.Tests.Misbehaviour;

/// <summary>Accepts connections and does with each what a script says, byte by byte.</summary>
internal sealed class RawServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentQueue<Task> _scripts = new();
    private readonly Func<RawConnection, Task> _script;
    private readonly string _scheme;
    private readonly Task _accepting;
    private int _requests;

    public RawServer(Func<RawConnection, Task> script, string scheme = "http")
    {
        _script = script;
        _scheme = scheme;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>By name, as certificates have it.</summary>
    public string Address => $"{_scheme}://localhost:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    public ConcurrentQueue<RawConnection> Connections { get; } = new();

    /// <summary>Requests whose heads have arrived.</summary>
    public int Requests => Volatile.Read(ref _requests);

    /// <summary>Done when a script says that from now on it only waits.</summary>
    public TaskCompletionSource Stuck { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void NoteRequest() => Interlocked.Increment(ref _requests);

    /// <summary>Every connection so far has seen its client go.</summary>
    public Task ClosedByClients() => Task.WhenAll(Connections.Select(static c => c.Closed)).WaitAsync(TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _accepting;
        _listener.Dispose();
        await Task.WhenAll(_scripts);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var connection = new RawConnection(this, await _listener.AcceptSocketAsync(_stop.Token), Connections.Count, _stop.Token);
                Connections.Enqueue(connection);
                _scripts.Enqueue(RunAsync(connection));
            }
        }
        catch (OperationCanceledException)
        {
            // The test is over.
        }
    }

    private async Task RunAsync(RawConnection connection)
    {
        try
        {
            await _script(connection);
            await connection.UntilClosed();
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // The client has hung up, which is what most of these clients should do.
        }
        finally
        {
            connection.Dispose();
        }
    }
}
