namespace Bookinfo.Launcher;

/// <summary>Spaces requests evenly in time. The rate may change while callers wait.</summary>
internal sealed class Pacer(TimeProvider time)
{
    private static readonly TimeSpan s_longestSleep = TimeSpan.FromMilliseconds(50);

    private readonly Lock _lock = new();
    private readonly long _start = time.GetTimestamp();
    private TimeSpan _interval;
    private TimeSpan _next;

    /// <summary>Between two requests; zero: no limit.</summary>
    public TimeSpan Interval
    {
        get
        {
            lock (_lock)
            {
                return _interval;
            }
        }

        set
        {
            lock (_lock)
            {
                _interval = value;
                _next = TimeSpan.Zero;
            }
        }
    }

    /// <summary>Waits for the caller's turn.</summary>
    public ValueTask WaitAsync(CancellationToken cancel)
    {
        var wait = TryTake();
        return wait == TimeSpan.Zero ? ValueTask.CompletedTask : SleepAsync(wait, cancel);
    }

    private async ValueTask SleepAsync(TimeSpan wait, CancellationToken cancel)
    {
        while (wait > TimeSpan.Zero)
        {
            await Task.Delay(wait < s_longestSleep ? wait : s_longestSleep, time, cancel);
            wait = TryTake();
        }
    }

    /// <summary>Zero when the turn was taken, otherwise how long to wait before the next try.</summary>
    private TimeSpan TryTake()
    {
        lock (_lock)
        {
            if (_interval == TimeSpan.Zero)
            {
                return TimeSpan.Zero;
            }

            var now = time.GetElapsedTime(_start);
            if (now < _next)
            {
                return _next - now;
            }

            // Late turns are made up for, up to one long sleep, so that coarse timers do not lower the rate.
            var earliest = now - s_longestSleep;
            _next = (_next < earliest ? earliest : _next) + _interval;
            return TimeSpan.Zero;
        }
    }
}
