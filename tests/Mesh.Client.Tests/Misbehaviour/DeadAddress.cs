using System.Net;
using System.Net.Sockets;

namespace Mesh.Client.Tests.Misbehaviour;

/// <summary>An address that nobody can connect to.</summary>
internal sealed class DeadAddress(string address, params Socket[] sockets) : IDisposable
{
    public string Address => address;

    public static DeadAddress Refusing()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return new DeadAddress($"http://{listener.LocalEndpoint}");
    }

    public static DeadAddress Unnamed() => new("http://no-such-host.invalid:80");

    /// <summary>The queue of connections is full, so that the next one is neither made nor refused.</summary>
    public static DeadAddress Full()
    {
        var listener = new Socket(SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(0);
        var sockets = new List<Socket> { listener };
        for (var i = 0; i < 4; i++)
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { Blocking = false };
            sockets.Add(socket);
            try
            {
                socket.Connect(listener.LocalEndPoint!);
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.WouldBlock or SocketError.InProgress)
            {
                // It is under way.
            }
        }

        return new DeadAddress($"http://{listener.LocalEndPoint}", [.. sockets]);
    }

    public void Dispose()
    {
        foreach (var socket in sockets)
        {
            socket.Dispose();
        }
    }
}
