namespace Mesh.Client.Pipeline;

/// <summary>The time limit of one attempt at a time; made and used again by <see cref="AttemptTimeouts"/>.</summary>
internal sealed class AttemptTimeout(AttemptTimeouts owner)
{
    public const long Idle = long.MaxValue;
    public const long Expired = long.MinValue;

    /// <summary>The deadline of an attempt that has none.</summary>
    public const long Never = long.MaxValue - 1;

    private readonly CancellationTokenSource _source = new();
    private ITimer? _timer;
    private CancellationTokenRegistration _caller;
    private long _deadline = Idle;
    private long _started;

    public AttemptTimeouts Owner { get; } = owner;

    public CancellationToken Token => _source.Token;

    /// <summary>Whether the limit has passed, and not the caller cancelled.</summary>
    public bool HasExpired => Volatile.Read(ref _deadline) == Expired;

    public bool IsUnderWay => Volatile.Read(ref _deadline) is not (Idle or Expired or Never);

    /// <summary>Where the common timer finds it; below zero while it does not watch it.</summary>
    public int Slot { get; set; } = -1;

    public void Start(long deadline)
    {
        _started = deadline;

        // A full fence: the deadline must be seen before this attempt looks whether the common timer is going.
        Interlocked.Exchange(ref _deadline, deadline);
    }

    /// <summary>A timer of its own, for limits that the common one is too coarse for.</summary>
    public void StartTimer(TimeSpan limit, TimeProvider time)
    {
        using (ExecutionContext.SuppressFlow())
        {
            _timer = time.CreateTimer(static state => ((AttemptTimeout)state!).Expire(), this, limit, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Cancels with the caller, until <see cref="Unfollow"/>.</summary>
    public void Follow(CancellationToken caller) =>
        _caller = caller.UnsafeRegister(static state => ((AttemptTimeout)state!)._source.Cancel(), this);

    public void Unfollow() => _caller.Dispose();

    /// <summary>Takes the limit back; false if it has expired.</summary>
    public bool TryStop() => Interlocked.CompareExchange(ref _deadline, Idle, _started) == _started;

    /// <summary>Makes it fit for another attempt; false if its token is spent. One with a timer of its own is not kept: the timer may be running now.</summary>
    public bool TryReset() => _timer is null && _source.TryReset();

    public void StopTimer() => _timer?.Dispose();

    /// <summary>Expires if it is time; whether there is still a deadline to come.</summary>
    public bool Look(long now)
    {
        var deadline = Volatile.Read(ref _deadline);
        if (deadline is Idle or Expired or Never)
        {
            return false;
        }

        if (deadline > now)
        {
            return true;
        }

        if (Interlocked.CompareExchange(ref _deadline, Expired, deadline) == deadline)
        {
            _source.Cancel();
        }

        return false;
    }

    private void Expire() => Look(_started);
}
