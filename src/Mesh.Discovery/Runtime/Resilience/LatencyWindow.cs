using System.Numerics;

namespace Mesh.Discovery.Runtime.Resilience;

/// <summary>
/// The latencies of the last seconds, and their percentiles: two halves that take turns, each a histogram whose buckets are
/// 6 % wide. Safe for concurrent use; recording is one interlocked increment.
/// </summary>
/// <remarks>
/// A half lasts <see cref="HalfLength"/> and until it has <see cref="MinSamples"/>, so that a service that is called seldom has a
/// longer memory in place of none.
/// </remarks>
internal sealed class LatencyWindow
{
    /// <summary>Below so many there is no percentile.</summary>
    public const int MinSamples = 100;

    public static readonly TimeSpan HalfLength = TimeSpan.FromSeconds(5);

    /// <summary>Buckets for each doubling.</summary>
    private const int Steps = 16;
    private const int StepBits = 4;

    /// <summary>From a microsecond to half an hour.</summary>
    private const int Buckets = (31 - StepBits + 1) * Steps;

    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private readonly long _halfTicks;
    private readonly long _refreshTicks;
    private int[] _now = new int[Buckets];
    private int[] _before = new int[Buckets];
    private int _count;
    private int _countBefore;
    private long _halfEnd;
    private volatile Known[] _known = [];

    public LatencyWindow(TimeProvider time)
    {
        _time = time;
        _halfTicks = (long)(HalfLength.TotalSeconds * time.TimestampFrequency);
        _refreshTicks = _halfTicks / 50;
        _halfEnd = time.GetTimestamp() + _halfTicks;
    }

    public void Record(TimeSpan latency)
    {
        Interlocked.Increment(ref Volatile.Read(ref _now)[BucketOf(latency)]);
        if (Interlocked.Increment(ref _count) >= MinSamples && _time.GetTimestamp() >= Volatile.Read(ref _halfEnd))
        {
            Turn();
        }
    }

    /// <summary>
    /// A latency that so many percent do not exceed; null while there are too few samples. Worked out anew ten times a second, for
    /// each percentage that is asked for.
    /// </summary>
    public TimeSpan? Percentile(double percent)
    {
        var now = _time.GetTimestamp();
        foreach (var known in _known)
        {
            if (known.Percent == percent && now < known.Until)
            {
                return known.Value;
            }
        }

        lock (_lock)
        {
            var value = Find(percent);
            _known = [.. _known.Where(known => known.Percent != percent && now < known.Until), new Known(percent, now + _refreshTicks, value)];
            return value;
        }
    }

    private TimeSpan? Find(double percent)
    {
        var total = _count + _countBefore;
        if (total < MinSamples)
        {
            return null;
        }

        var wanted = (long)Math.Ceiling(total * percent / 100);
        var seen = 0L;
        for (var i = 0; i < Buckets; i++)
        {
            seen += Volatile.Read(ref _now[i]) + _before[i];
            if (seen >= wanted)
            {
                return UpperEnd(i);
            }
        }

        return UpperEnd(Buckets - 1);
    }

    private void Turn()
    {
        lock (_lock)
        {
            var now = _time.GetTimestamp();
            if (now < _halfEnd || _count < MinSamples)
            {
                return;
            }

            // A sample that is being recorded meanwhile may count to the other half, or be cleared with it.
            var old = _before;
            _before = _now;
            _countBefore = _count;
            Array.Clear(old);
            Volatile.Write(ref _now, old);
            Volatile.Write(ref _count, 0);
            Volatile.Write(ref _halfEnd, now + _halfTicks);
        }
    }

    /// <summary>Below 16 µs one bucket for each, above 16 for each doubling.</summary>
    private static int BucketOf(TimeSpan latency)
    {
        var microseconds = (uint)Math.Clamp(latency.Ticks / TimeSpan.TicksPerMicrosecond, 0, int.MaxValue);
        if (microseconds < Steps)
        {
            return (int)microseconds;
        }

        var shift = BitOperations.Log2(microseconds) - StepBits;
        return Math.Min(((shift + 1) * Steps) + (int)((microseconds >> shift) & (Steps - 1)), Buckets - 1);
    }

    private static TimeSpan UpperEnd(int bucket)
    {
        if (bucket < Steps)
        {
            return TimeSpan.FromMicroseconds(bucket + 1);
        }

        var shift = (bucket / Steps) - 1;
        return TimeSpan.FromMicroseconds((long)(Steps + (bucket % Steps) + 1) << shift);
    }

    private sealed record Known(double Percent, long Until, TimeSpan? Value);
}
