using System.Globalization;

namespace Bookinfo.Launcher;

/// <summary>
/// Writes down every byte that goes to and from the services: each of them is reached through a relay that the launcher has put in
/// front of it. Safe for concurrent use.
/// </summary>
internal sealed class WireCapture : IAsyncDisposable
{
    private readonly string _directory;
    private readonly EventLog _events;
    private readonly List<WireRelay> _relays = [];
    private int _connections;
    private int _encrypted;

    public WireCapture(string directory, EventLog events)
    {
        Directory.CreateDirectory(directory);
        _directory = directory;
        _events = events;
    }

    /// <summary>Puts a relay in front of a process that will tell its address.</summary>
    public WireRelay Open(string name, Task<Uri> target)
    {
        var relay = new WireRelay(target, () => Create(name));
        _relays.Add(relay);
        return relay;
    }

    /// <summary>Ends all connections, and says how many there were, and how many began with a TLS handshake and hold no readable HTTP.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var relay in _relays)
        {
            await relay.DisposeAsync();
        }

        _events.Write($"{_connections} connections were captured, {_encrypted} of them encrypted: {_directory}");
    }

    /// <summary>Files for one connection: what the caller sent, and what came back.</summary>
    private WireRecord Create(string name)
    {
        var number = Interlocked.Increment(ref _connections);
        var file = Path.Combine(_directory, string.Create(CultureInfo.InvariantCulture, $"{name}.{number:0000}"));
        return new WireRecord(file, isEncrypted =>
        {
            if (isEncrypted)
            {
                Interlocked.Increment(ref _encrypted);
            }
        });
    }
}
