using System.Numerics;

namespace Bookinfo.Launcher;

/// <summary>
/// Counts durations in microseconds, each within 0.8 % of its value: below 128 one bucket each, above that 64 buckets
/// per power of two. Safe for concurrent use; a copy taken while others record may miss the latest.
/// </summary>
internal sealed class LatencyHistogram
{
    private const int SubBuckets = 64;
    private const int LargestShift = 30;

    private readonly long[] _counts = new long[(LargestShift + 2) * SubBuckets];

    public void Record(TimeSpan duration) =>
        Interlocked.Increment(ref _counts[BucketOf(Math.Max(0, (long)duration.TotalMicroseconds))]);

    /// <summary>The microseconds that the given share of all durations does not exceed; 0 if there are none.</summary>
    public long Percentile(double share)
    {
        var total = _counts.Sum();
        var rank = Math.Max(1, (long)Math.Ceiling(total * share));
        var seen = 0L;
        for (var bucket = 0; bucket < _counts.Length; bucket++)
        {
            seen += _counts[bucket];
            if (seen >= rank)
            {
                return MiddleOf(bucket);
            }
        }

        return 0;
    }

    public LatencyHistogram Copy()
    {
        var copy = new LatencyHistogram();
        _counts.CopyTo(copy._counts, 0);
        return copy;
    }

    /// <summary>What was recorded here since an earlier copy was taken.</summary>
    public LatencyHistogram Since(LatencyHistogram earlier)
    {
        var difference = new LatencyHistogram();
        for (var bucket = 0; bucket < _counts.Length; bucket++)
        {
            difference._counts[bucket] = _counts[bucket] - earlier._counts[bucket];
        }

        return difference;
    }

    private static int BucketOf(long value)
    {
        var shift = Math.Max(0, BitOperations.Log2((ulong)value | 1) - BitOperations.Log2(SubBuckets));
        return shift > LargestShift
            ? ((LargestShift + 2) * SubBuckets) - 1
            : (int)((shift * SubBuckets) + (value >> shift));
    }

    private static long MiddleOf(int bucket)
    {
        var shift = Math.Max(0, (bucket / SubBuckets) - 1);
        var lowest = (long)(bucket - (shift * SubBuckets)) << shift;
        return lowest + ((1L << shift) >> 1);
    }
}
