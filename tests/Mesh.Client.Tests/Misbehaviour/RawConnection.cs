using System.Net.Sockets;
using System.Text;

namespace Mesh.Client.Tests.Misbehaviour;

/// <summary>The server's end of one connection.</summary>
internal sealed class RawConnection : IDisposable
{
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly RawServer _server;
    private readonly Socket _socket;

    /// <param name="server">Whose it is.</param>
    /// <param name="socket">The socket.</param>
    /// <param name="number">From 0.</param>
    /// <param name="stop">Ends everything.</param>
    public RawConnection(RawServer server, Socket socket, int number, CancellationToken stop)
    {
        _server = server;
        _socket = socket;
        _socket.NoDelay = true;
        Number = number;
        Stop = stop;
        Stream = new NetworkStream(socket, ownsSocket: true);
    }

    public int Number { get; }

    public CancellationToken Stop { get; }

    /// <summary>Replaced by scripts that speak TLS.</summary>
    public Stream Stream { get; set; }

    /// <summary>Done when the client's end is closed, or this one was.</summary>
    public Task Closed => _closed.Task;

    /// <summary>Reads a request's head and body.</summary>
    /// <returns>The head; null if the client has closed instead.</returns>
    public async Task<string?> ReadRequestAsync()
    {
        var head = new StringBuilder();
        var one = new byte[1];
        while (!EndsHead(head))
        {
            if (await Stream.ReadAsync(one, Stop) == 0)
            {
                return null;
            }

            head.Append((char)one[0]);
        }

        _server.NoteRequest();
        var text = head.ToString();
        const string Length = "content-length: ";
        var at = text.IndexOf(Length, StringComparison.OrdinalIgnoreCase);
        if (at >= 0)
        {
            var value = text.AsSpan(at + Length.Length);
            await Stream.ReadExactlyAsync(new byte[int.Parse(value[..value.IndexOf('\r')])], Stop);
        }
        else if (text.Contains("transfer-encoding: chunked", StringComparison.OrdinalIgnoreCase))
        {
            var body = new StringBuilder();
            while (!body.ToString().EndsWith("0\r\n\r\n", StringComparison.Ordinal))
            {
                await Stream.ReadExactlyAsync(one, Stop);
                body.Append((char)one[0]);
            }
        }

        return text;
    }

    public async Task WriteAsync(string text) => await Stream.WriteAsync(Encoding.Latin1.GetBytes(text), Stop);

    public async Task WriteAsync(byte[] bytes) => await Stream.WriteAsync(bytes, Stop);

    public Task RespondAsync(string body = "ok") => WriteAsync($"HTTP/1.1 200 OK\r\nContent-Length: {body.Length}\r\n\r\n{body}");

    /// <summary>Answers all requests as it should.</summary>
    public async Task ServeAsync()
    {
        while (await ReadRequestAsync() is not null)
        {
            await RespondAsync();
        }
    }

    /// <summary>The client has sent something; it is not read.</summary>
    public async Task UntilSomethingIsThere() => await _socket.ReceiveAsync(new byte[1], SocketFlags.Peek, Stop);

    public void NoteRequest() => _server.NoteRequest();

    /// <summary>Nothing more will come from here.</summary>
    public void SayStuck() => _server.Stuck.TrySetResult();

    /// <summary>Closes with a reset: what was written and not yet read by the client is lost.</summary>
    public void Reset()
    {
        _socket.LingerState = new LingerOption(true, 0);
        _socket.Close();
        _closed.TrySetResult();
    }

    /// <summary>Closes in order.</summary>
    public void Close()
    {
        _socket.Shutdown(SocketShutdown.Both);
        _socket.Close();
        _closed.TrySetResult();
    }

    /// <summary>Reads and forgets until the client closes.</summary>
    public async Task UntilClosed()
    {
        if (Closed.IsCompleted)
        {
            return;
        }

        var buffer = new byte[4096];
        while (await Stream.ReadAsync(buffer, Stop) > 0)
        {
        }

        _closed.TrySetResult();
    }

    public void Dispose()
    {
        // A reset by the client ends a script as well.
        if (!Stop.IsCancellationRequested)
        {
            _closed.TrySetResult();
        }

        Stream.Dispose();
        _socket.Dispose();
    }

    private static bool EndsHead(StringBuilder head) =>
        head.Length >= 4 && head[^1] == '\n' && head[^2] == '\r' && head[^3] == '\n' && head[^4] == '\r';
}
