namespace Mesh.Benchmarks.Simulation;

/// <summary>
/// Time that passes only when there is nothing left to do: a queue of what is due, fired one after the other on the
/// thread that calls <see cref="RunUntil"/>.
/// </summary>
/// <remarks>
/// What is due at the same instant fires in the order in which it was asked for, so a run depends on nothing but its
/// seed. Not safe for concurrent use: while it runs, other threads are turned away, because what they do has no place in
/// that order.
/// </remarks>
internal sealed class VirtualClock : TimeProvider
{
    private static readonly DateTimeOffset s_epoch = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly PriorityQueue<Due, (long At, long Order)> _queue = new();
    private long _order;
    private long _now;
    private int _thread;

    /// <summary>Since the beginning.</summary>
    public TimeSpan Now => TimeSpan.FromTicks(_now);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public override long GetTimestamp() => _now;

    public override DateTimeOffset GetUtcNow() => s_epoch.AddTicks(_now);

    /// <summary>Does something later.</summary>
    public void Schedule(TimeSpan delay, Action<object?> action, object? state = null) => Enqueue(delay, new Due(action, state, null, 0));

    /// <summary>Lets time pass until <paramref name="end"/>.</summary>
    public void RunUntil(TimeSpan end)
    {
        _thread = Environment.CurrentManagedThreadId;
        while (_queue.TryPeek(out _, out var next) && next.At <= end.Ticks)
        {
            var due = _queue.Dequeue();
            _now = next.At;
            due.Fire();
        }

        _now = end.Ticks;
        _thread = 0;
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new VirtualTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    private void Enqueue(TimeSpan delay, Due due)
    {
        if (_thread != 0 && _thread != Environment.CurrentManagedThreadId)
        {
            throw new InvalidOperationException("Another thread asked for time while the simulation ran: the run would not be repeatable.");
        }

        _queue.Enqueue(due, (_now + Math.Max(0, delay.Ticks), _order++));
    }

    /// <summary>An entry of the queue; that of a timer counts only while the timer is as it was when it was set.</summary>
    private readonly record struct Due(Action<object?>? Action, object? State, VirtualTimer? Timer, int Setting)
    {
        public void Fire()
        {
            Action?.Invoke(State);
            Timer?.Fire(Setting);
        }
    }

    private sealed class VirtualTimer(VirtualClock clock, TimerCallback callback, object? state) : ITimer
    {
        private TimeSpan _period;
        private int _setting;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            _setting++;
            _period = period;
            if (dueTime != Timeout.InfiniteTimeSpan)
            {
                clock.Enqueue(dueTime, new Due(null, null, this, _setting));
            }

            return true;
        }

        public void Fire(int setting)
        {
            if (setting != _setting)
            {
                return;
            }

            if (_period > TimeSpan.Zero)
            {
                clock.Enqueue(_period, new Due(null, null, this, setting));
            }

            callback(state);
        }

        public void Dispose() => _setting++;

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
