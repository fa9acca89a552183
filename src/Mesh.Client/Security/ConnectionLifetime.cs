using System.Net.Sockets;
using Mesh.Client.Transport;

namespace Mesh.Client.Security;

/// <summary>
/// Sees to it that a connection does not outlive the certificates that it rests on: well before that new requests get other
/// connections, and then it is closed, whatever it carries.
/// </summary>
internal sealed class ConnectionLifetime : AgendaItem
{
    /// <summary>Below this others would expire just as soon.</summary>
    private static readonly TimeSpan s_shortest = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_longestDrain = TimeSpan.FromMinutes(5);

    private readonly Agenda _agenda;
    private readonly Socket _socket;
    private readonly EndpointInvoker? _owner;
    private readonly DateTimeOffset _end;
    private readonly Action _closed;

    private ConnectionLifetime(Agenda agenda, Socket socket, EndpointInvoker? owner, DateTimeOffset end, Action closed)
    {
        _agenda = agenda;
        _socket = socket;
        _owner = owner;
        _end = end;
        _closed = closed;
    }

    /// <param name="agenda">Who keeps the time.</param>
    /// <param name="socket">The connection.</param>
    /// <param name="owner">Whose connection it is.</param>
    /// <param name="now">The present time.</param>
    /// <param name="end">When the first of its certificates expires.</param>
    /// <param name="spread">From 0 to 1, so that not all callers of one callee leave it at once.</param>
    /// <param name="closed">Called when it is closed because of that.</param>
    public static ConnectionLifetime Start(
        Agenda agenda, Socket socket, EndpointInvoker? owner, DateTimeOffset now, DateTimeOffset end, double spread, Action closed)
    {
        var lifetime = new ConnectionLifetime(agenda, socket, owner, end, closed);
        var left = end - now;
        var drain = (left / 4 < s_longestDrain ? left / 4 : s_longestDrain) * (1 + spread);
        agenda.Set(lifetime, owner is null || left < s_shortest ? end : end - drain);
        return lifetime;
    }

    /// <summary>The connection is closed.</summary>
    public void End() => _agenda.Remove(this);

    public override void Run(DateTimeOffset now)
    {
        if (now < _end)
        {
            _owner!.Replace();
            _agenda.Set(this, _end);
            return;
        }

        // The socket and not the stream: that one must not be disposed while others read from it.
        _socket.Dispose();
        _closed();
    }
}
