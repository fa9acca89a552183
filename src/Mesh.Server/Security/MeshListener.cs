using System.Net;
using System.Threading.Channels;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Server.Security;

/// <summary>
/// Takes connections from a transport's listener and gives Kestrel those that the <see cref="ConnectionGate"/> lets in, each as soon as
/// it is: one that is slow or silent holds up no other.
/// </summary>
/// <remarks>
/// Unbinding accepts no more, ends what is not let in yet, and hands out what is; disposing of it disposes of what nobody has taken.
/// Both wait until every connection has come to its end here.
/// </remarks>
internal sealed class MeshListener : IConnectionListener
{
    private readonly IConnectionListener _inner;
    private readonly ConnectionGate _gate;
    private readonly ListenerAddress _address;
    private readonly Channel<ConnectionContext> _admitted = Channel.CreateUnbounded<ConnectionContext>();
    private readonly CancellationTokenSource _stop = new();
    private Exception? _failure;
    private int _started;

    /// <summary>The pump, and each connection that is not decided.</summary>
    private int _pending = 1;

    public MeshListener(IConnectionListener inner, ConnectionGate gate, ListenerAddress address)
    {
        _inner = inner;
        _gate = gate;
        _address = address;
    }

    public EndPoint EndPoint => _inner.EndPoint;

    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
    {
        Start();
        while (await _admitted.Reader.WaitToReadAsync(cancellationToken))
        {
            if (_admitted.Reader.TryRead(out var connection))
            {
                return connection;
            }
        }

        return null;
    }

    public async ValueTask UnbindAsync(CancellationToken cancellationToken = default)
    {
        await _inner.UnbindAsync(cancellationToken);
        await _stop.CancelAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _inner.DisposeAsync();
        await _stop.CancelAsync();
        Start();
        await foreach (var connection in _admitted.Reader.ReadAllAsync())
        {
            await connection.DisposeAsync();
        }
    }

    private void Start()
    {
        if (Interlocked.Exchange(ref _started, 1) == 0)
        {
            using (ExecutionContext.SuppressFlow())
            {
                _ = PumpAsync();
            }
        }
    }

    private async Task PumpAsync()
    {
        try
        {
            while (await _inner.AcceptAsync() is { } connection)
            {
                Interlocked.Increment(ref _pending);

                // Elsewhere: a handshake is work for a processor too.
                ThreadPool.UnsafeQueueUserWorkItem(static work => work.Listener.Decide(work.Connection), (Listener: this, Connection: connection), preferLocal: false);
            }
        }
        catch (Exception e)
        {
            // Kestrel tells of it, from AcceptAsync.
            _failure = e;
        }

        Done();
    }

    private async void Decide(ConnectionContext connection)
    {
        try
        {
            if (await _gate.AdmitAsync(connection, _address, _stop.Token) is { } admitted && !_admitted.Writer.TryWrite(admitted))
            {
                await admitted.DisposeAsync();
            }
        }
        catch (Exception e)
        {
            _gate.Crashed(e, connection, _address.Port);
            connection.Abort();
            await connection.DisposeAsync();
        }
        finally
        {
            Done();
        }
    }

    private void Done()
    {
        if (Interlocked.Decrement(ref _pending) == 0)
        {
            _admitted.Writer.TryComplete(_failure);
        }
    }
}
