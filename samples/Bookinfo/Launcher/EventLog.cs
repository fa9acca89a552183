namespace Bookinfo.Launcher;

/// <summary>What happened, for the person who watches: at once on standard error, or below the live table.</summary>
internal sealed class EventLog(TimeProvider time, TextWriter error)
{
    private const int Kept = 6;
    private static readonly TimeSpan s_silence = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly Queue<string> _recent = new();
    private readonly Dictionary<string, long> _lastSaid = [];

    /// <summary>Whether lines are only kept, because a live table has the terminal.</summary>
    public bool Quiet { get; set; }

    public IReadOnlyList<string> Recent
    {
        get
        {
            lock (_lock)
            {
                return [.. _recent];
            }
        }
    }

    public void Write(string line)
    {
        lock (_lock)
        {
            _recent.Enqueue($"{time.GetLocalNow():HH:mm:ss} {line}");
            while (_recent.Count > Kept)
            {
                _recent.Dequeue();
            }

            if (!Quiet)
            {
                error.WriteLine(line);
            }
        }
    }

    /// <summary>A service's warning. All services read the same rules: what several say is shown once.</summary>
    public void WriteWarning(string source, string text)
    {
        lock (_lock)
        {
            if (_lastSaid.TryGetValue(text, out var then) && time.GetElapsedTime(then) < s_silence)
            {
                return;
            }

            _lastSaid[text] = time.GetTimestamp();
        }

        Write($"{source}: {text}");
    }
}
