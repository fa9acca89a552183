using System.Collections.Concurrent;

namespace Mesh.Client.Pipeline;

/// <summary>
/// The time limits of all attempts under way, watched by one timer.
/// </summary>
/// <remarks>
/// <para>Starting and stopping a timer for each attempt would cost more than choosing its endpoint. Here an attempt only
/// writes down when it must end; one timer looks over all of them every <see cref="Tick"/> while there are any, and sleeps
/// when there are none. A limit thus fires up to one tick late, or a tenth of a short limit late: below ten ticks an
/// attempt gets a timer of its own.</para>
/// <para>A limit is used again and again. Its deadline decides who owns it: the attempt takes it back by exchanging the
/// deadline for <see cref="AttemptTimeout.Idle"/>, the timer by exchanging it for <see cref="AttemptTimeout.Expired"/>;
/// whoever comes second sees that and leaves it alone, so a late timer never cancels the next attempt.</para>
/// </remarks>
internal sealed class AttemptTimeouts : IDisposable
{
    public static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(50);

    /// <summary>As many as attempts were ever under way at once, within reason.</summary>
    private const int Capacity = 64 * 1024;

    /// <summary>The one that this thread gave back last, of whichever mesh in the process.</summary>
    [ThreadStatic]
    private static AttemptTimeout? s_last;

    private readonly TimeProvider _time;
    private readonly ConcurrentQueue<AttemptTimeout> _idle = new();
    private readonly Lock _lock = new();
    private readonly Stack<int> _free = new();
    private readonly ITimer _timer;
    private readonly long _shortest;
    private AttemptTimeout?[] _watched = new AttemptTimeout?[64];
    private int _used;
    private int _isTicking;

    public AttemptTimeouts(TimeProvider time)
    {
        _time = time;
        _shortest = (long)((Tick * 10).TotalSeconds * time.TimestampFrequency);
        using (ExecutionContext.SuppressFlow())
        {
            _timer = time.CreateTimer(static state => ((AttemptTimeouts)state!).Look(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>How many limits are running.</summary>
    public int UnderWay
    {
        get
        {
            var count = 0;
            foreach (var timeout in Volatile.Read(ref _watched))
            {
                count += timeout is { IsUnderWay: true } ? 1 : 0;
            }

            return count;
        }
    }

    /// <summary>Starts a limit.</summary>
    /// <param name="deadline">The timestamp at which it ends.</param>
    /// <param name="now">The present timestamp.</param>
    /// <param name="cancel">What ends it sooner.</param>
    public AttemptTimeout Rent(long deadline, long now, CancellationToken cancel)
    {
        var timeout = s_last;
        if (timeout?.Owner == this)
        {
            s_last = null;
        }
        else if (!_idle.TryDequeue(out timeout))
        {
            timeout = new AttemptTimeout(this);
        }

        if (deadline >= AttemptTimeout.Never)
        {
            timeout.Start(AttemptTimeout.Never);
        }
        else
        {
            timeout.Start(deadline);
            if (deadline - now < _shortest)
            {
                timeout.StartTimer(_time.GetElapsedTime(now, Math.Max(now, deadline)), _time);
            }
            else
            {
                Watch(timeout);
            }
        }

        timeout.Follow(cancel);
        return timeout;
    }

    /// <summary>Sets the end of a limit that had none. It fires up to one tick late, however short it is.</summary>
    /// <param name="timeout">What <see cref="Rent(long, long, CancellationToken)"/> gave.</param>
    /// <param name="deadline">The timestamp at which it ends.</param>
    public void Arm(AttemptTimeout timeout, long deadline)
    {
        timeout.Start(deadline);
        if (deadline < AttemptTimeout.Never)
        {
            Watch(timeout);
        }
    }

    /// <summary>Ends a limit.</summary>
    /// <param name="timeout">What <see cref="Rent(long, long, CancellationToken)"/> gave.</param>
    /// <param name="canBeReused">False while somebody may still hold its token.</param>
    /// <returns>Whether it has expired.</returns>
    public bool Return(AttemptTimeout timeout, bool canBeReused)
    {
        timeout.Unfollow();
        var hasExpired = !timeout.TryStop();
        if (hasExpired || !canBeReused || !timeout.TryReset())
        {
            Forget(timeout);
        }
        else if (s_last is null)
        {
            s_last = timeout;
        }
        else if (_idle.Count < Capacity)
        {
            _idle.Enqueue(timeout);
        }
        else
        {
            Forget(timeout);
        }

        return hasExpired;
    }

    public void Dispose() => _timer.Dispose();

    private void Watch(AttemptTimeout timeout)
    {
        if (timeout.Slot < 0)
        {
            lock (_lock)
            {
                if (!_free.TryPop(out var slot))
                {
                    slot = _used++;
                    if (slot == _watched.Length)
                    {
                        Array.Resize(ref _watched, slot * 2);
                    }
                }

                timeout.Slot = slot;
                _watched[slot] = timeout;
            }

            // Its place must be seen before it looks whether the timer is going.
            Interlocked.MemoryBarrier();
        }

        if (Volatile.Read(ref _isTicking) == 0 && Interlocked.Exchange(ref _isTicking, 1) == 0)
        {
            _timer.Change(Tick, Tick);
        }
    }

    private void Forget(AttemptTimeout timeout)
    {
        timeout.StopTimer();
        if (timeout.Slot >= 0)
        {
            lock (_lock)
            {
                _watched[timeout.Slot] = null;
                _free.Push(timeout.Slot);
                timeout.Slot = -1;
            }
        }
    }

    private void Look()
    {
        var now = _time.GetTimestamp();
        var anyUnderWay = false;
        foreach (var timeout in Volatile.Read(ref _watched))
        {
            anyUnderWay |= timeout is not null && timeout.Look(now);
        }

        if (anyUnderWay)
        {
            return;
        }

        _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        Interlocked.Exchange(ref _isTicking, 0);

        // An attempt that started between the look and the line above saw the timer still going.
        foreach (var timeout in Volatile.Read(ref _watched))
        {
            if (timeout is { IsUnderWay: true } && Interlocked.Exchange(ref _isTicking, 1) == 0)
            {
                _timer.Change(Tick, Tick);
                break;
            }
        }
    }
}
