using System.Net;
using System.Net.Sockets;

namespace Bookinfo.Launcher;

/// <summary>A port that carries bytes to and from another one, and has them written down. It understands nothing of them.</summary>
internal sealed class WireRelay : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<WireRecord> _record;
    private readonly Task<Uri> _target;
    private readonly Task _accepting;

    public WireRelay(Task<Uri> target, Func<WireRecord> record)
    {
        _target = target;
        _record = record;
        _listener.Start();
        Address = new Uri($"http://{_listener.LocalEndpoint}");
        _accepting = AcceptAsync();
    }

    public Uri Address { get; }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var connections = new List<Task>();
        try
        {
            while (true)
            {
                var caller = await _listener.AcceptSocketAsync(_stop.Token);
                connections.RemoveAll(static one => one.IsCompleted);
                connections.Add(CarryAsync(caller));
            }
        }
        catch (OperationCanceledException)
        {
        }

        await Task.WhenAll(connections);
    }

    private async Task CarryAsync(Socket caller)
    {
        using var record = _record();
        using (caller)
        {
            using var callee = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            caller.NoDelay = true;
            try
            {
                var target = await _target.WaitAsync(_stop.Token);
                await callee.ConnectAsync(target.DnsSafeHost, target.Port, _stop.Token);
                await Task.WhenAll(
                    PumpAsync(caller, callee, record, isRequest: true), PumpAsync(callee, caller, record, isRequest: false));
            }
            catch (Exception failure) when (failure is SocketException or OperationCanceledException)
            {
                // One end is gone, or the run is over; both sockets are closed, so that each end notices.
            }
        }
    }

    private async Task PumpAsync(Socket from, Socket to, WireRecord record, bool isRequest)
    {
        var buffer = new byte[16 * 1024];
        while (await from.ReceiveAsync(buffer, _stop.Token) is > 0 and var count)
        {
            record.Add(buffer.AsSpan(0, count), isRequest);
            for (var sent = 0; sent < count;)
            {
                sent += await to.SendAsync(buffer.AsMemory(sent, count - sent), _stop.Token);
            }
        }

        to.Shutdown(SocketShutdown.Send);
    }
}
