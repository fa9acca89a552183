namespace Mesh.Client.Security;

/// <summary>Does things at their time, all with one timer. Safe for concurrent use.</summary>
internal sealed class Agenda : IDisposable
{
    /// <summary>The clock may be set meanwhile, and expiry goes by it.</summary>
    private static readonly TimeSpan s_longest = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly SortedSet<AgendaItem> _items = new(Comparer<AgendaItem>.Create(static (a, b) =>
        a.Due != b.Due ? a.Due.CompareTo(b.Due) : a.Number.CompareTo(b.Number)));
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private long _number;

    public Agenda(TimeProvider time)
    {
        _time = time;
        using (ExecutionContext.SuppressFlow())
        {
            _timer = time.CreateTimer(static state => ((Agenda)state!).Look(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>How many things are to be done.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _items.Count;
            }
        }
    }

    /// <summary>Puts an item down, or at another time; nothing, if it has been removed.</summary>
    public void Set(AgendaItem item, DateTimeOffset due)
    {
        lock (_lock)
        {
            if (item.IsOver)
            {
                return;
            }

            if (item.Number == 0)
            {
                item.Number = ++_number;
            }
            else
            {
                _items.Remove(item);
            }

            item.Due = due;
            _items.Add(item);
            if (_items.Min == item)
            {
                Arm_NeedsLock();
            }
        }
    }

    /// <summary>Takes an item off, for good.</summary>
    public void Remove(AgendaItem item)
    {
        lock (_lock)
        {
            item.IsOver = true;
            _items.Remove(item);
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        var due = new List<AgendaItem>();
        var now = _time.GetUtcNow();
        lock (_lock)
        {
            while (_items.Min is { } first && first.Due <= now)
            {
                _items.Remove(first);
                due.Add(first);
            }

            Arm_NeedsLock();
        }

        foreach (var item in due)
        {
            item.Run(now);
        }
    }

    private void Arm_NeedsLock()
    {
        if (_items.Min is { } first)
        {
            var left = first.Due - _time.GetUtcNow();
            _timer.Change(left < TimeSpan.Zero ? TimeSpan.Zero : left < s_longest ? left : s_longest, Timeout.InfiniteTimeSpan);
        }
    }
}

/// <summary>Something to do at a time.</summary>
internal abstract class AgendaItem
{
    public DateTimeOffset Due { get; set; }

    /// <summary>Tells items of one time apart; 0 before it is put down.</summary>
    public long Number { get; set; }

    /// <summary>Whether it must not be put down again.</summary>
    public bool IsOver { get; set; }

    /// <summary>Does it; it is off the agenda by then, and may be put down again. Must be quick and must not throw.</summary>
    public abstract void Run(DateTimeOffset now);
}
