using System.Runtime.CompilerServices;

namespace Mesh.Discovery.Runtime.Resilience;

/// <summary>
/// Counts a destination's requests and retries over a sliding window, and says whether one more retry is within its share
/// (Finagle: RetryBudget).
/// </summary>
/// <remarks>
/// <para>Requests write one counter of their processor, without a lock or interlocked instruction: a count that is lost when
/// two threads take the same one makes the budget smaller by a fifth of a retry. Once in a tenth of the window their sum is
/// written down; the difference to the oldest sum is the window's requests. Retries are rare and take a lock.</para>
/// <para>Where nothing was sent, another attempt at another endpoint is no more load than the first would have been: an
/// instance that restarts must not use up the budget, nor must its callers see errors because of that. So such retries are
/// beside the budget while they help; once they fail as well, for more than a fifth, they cost like others.</para>
/// </remarks>
internal sealed class RetryBudget
{
    private const int Slots = 10;

    /// <summary>So many failed resends in a window are no sign that the whole destination is down.</summary>
    private const int MinLostResends = 10;

    /// <summary>In 8-byte words: two cache lines, because processors fetch pairs.</summary>
    private const int Stride = 16;

    private static readonly int s_mask = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Clamp(Environment.ProcessorCount, 1, 16)) - 1;

    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly long[] _counts = new long[(s_mask + 2) * Stride];

    /// <summary>The sum of requests at the beginning of each slot of the window, and the retries in it.</summary>
    private readonly long[] _sums = new long[Slots];
    private readonly int[] _retries = new int[Slots];

    /// <summary>Retries of what was not sent, and how many of these were not sent either.</summary>
    private readonly int[] _resends = new int[Slots];
    private readonly int[] _lostResends = new int[Slots];
    private RetryBudgetConfig _settings;
    private long _slotEnd;
    private long _slotTicks;
    private int _slot;
    private int _active;
    private long _lastTold;
    private long _refused;

    public RetryBudget(TimeProvider time, RetryBudgetConfig settings, long now)
    {
        _time = time;
        _settings = settings;
        _slotTicks = TicksOf(settings);
        _slotEnd = now + _slotTicks;
        _lastTold = now - (_slotTicks * Slots);
    }

    public RetryBudgetConfig Settings
    {
        get => Volatile.Read(ref _settings);
        set
        {
            lock (_lock)
            {
                Volatile.Write(ref _settings, value);
                _slotTicks = TicksOf(value);
            }
        }
    }

    /// <summary>Retries under way.</summary>
    public int Active => Volatile.Read(ref _active);

    public long Refused => Interlocked.Read(ref _refused);

    /// <summary>Notes a request.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Deposit(long now)
    {
        if (now >= Volatile.Read(ref _slotEnd))
        {
            Turn(now);
        }

        _counts[((Thread.GetCurrentProcessorId() & s_mask) + 1) * Stride]++;
    }

    /// <summary>Asks for a retry.</summary>
    /// <param name="now">The timestamp.</param>
    /// <param name="maxRetries">How many may be under way at once; null for any number.</param>
    /// <param name="isActive">Whether the request's own last retry is still counted as under way, which makes this one the same.</param>
    /// <param name="wasSent">False if the attempt that failed provably sent nothing, so that another one is no more load.</param>
    /// <param name="isResend">Whether it is granted as such, beside the budget; <see cref="ResendLost"/> says that it failed as well.</param>
    /// <param name="tell">On refusal, whether it is the first one for a while.</param>
    /// <returns>What forbids it; null if nothing does.</returns>
    public string? TryRetry(long now, int? maxRetries, bool isActive, bool wasSent, out bool isResend, out bool tell)
    {
        lock (_lock)
        {
            tell = false;
            Turn_NeedsLock(now);
            isResend = !wasSent && Total(_lostResends) < MinLostResends + (Total(_resends) / 5);
            var reason = !isActive && _active >= maxRetries ? "MaxRetries"
                : isResend || (isActive ? _active - 1 : _active) < _settings.MinRetryConcurrency || Balance_NeedsLock() >= 1 ? null
                : "RetryBudget";
            if (reason is null)
            {
                (isResend ? _resends : _retries)[_slot]++;
                _active += isActive ? 0 : 1;
                return null;
            }

            _refused++;
            tell = now - _lastTold >= _slotTicks * Slots;
            _lastTold = tell ? now : _lastTold;
            return reason;
        }
    }

    /// <summary>A retry that was granted because nothing had been sent has sent nothing either.</summary>
    public void ResendLost()
    {
        lock (_lock)
        {
            _lostResends[_slot]++;
        }
    }

    /// <summary>The request that had retries is over.</summary>
    public void EndRetry()
    {
        lock (_lock)
        {
            _active--;
        }
    }

    /// <summary>How many retries are possible now by the share and the rate.</summary>
    public double Balance(long now)
    {
        lock (_lock)
        {
            Turn_NeedsLock(now);
            return Balance_NeedsLock();
        }
    }

    private double Balance_NeedsLock()
    {
        var requests = Sum() - _sums[(_slot + 1) % Slots];
        return (requests * _settings.Percent / 100) + (_settings.MinRetriesPerSecond * _settings.Window.TotalSeconds) - Total(_retries);
    }

    private void Turn(long now)
    {
        lock (_lock)
        {
            Turn_NeedsLock(now);
        }
    }

    private void Turn_NeedsLock(long now)
    {
        if (now < _slotEnd)
        {
            return;
        }

        var sum = Sum();
        var steps = 1 + ((now - _slotEnd) / _slotTicks);
        for (var i = 0; i < Math.Min(steps, Slots); i++)
        {
            _slot = (_slot + 1) % Slots;
            _sums[_slot] = sum;
            _retries[_slot] = 0;
            _resends[_slot] = 0;
            _lostResends[_slot] = 0;
        }

        Volatile.Write(ref _slotEnd, _slotEnd + (steps * _slotTicks));
    }

    private static int Total(int[] slots)
    {
        var sum = 0;
        foreach (var count in slots)
        {
            sum += count;
        }

        return sum;
    }

    private long Sum()
    {
        var sum = 0L;
        for (var i = Stride; i < _counts.Length; i += Stride)
        {
            sum += Volatile.Read(ref _counts[i]);
        }

        return sum;
    }

    private long TicksOf(RetryBudgetConfig settings) =>
        Math.Max(1, (long)(settings.Window.TotalSeconds * _time.TimestampFrequency / Slots));
}
