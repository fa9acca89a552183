namespace Mesh.Client.Pipeline;

/// <summary>
/// Turns durations into timestamps of a clock and back. Limits are timestamps in the pipeline: comparing two costs nothing, and
/// what <see cref="TimeProvider"/> would divide by its frequency is multiplied here.
/// </summary>
internal readonly struct Timestamps(TimeProvider time)
{
    /// <summary>A point in time that never comes.</summary>
    public const long Never = MeshRequestContext.NoDeadline;

    private readonly double _perTick = (double)time.TimestampFrequency / TimeSpan.TicksPerSecond;
    private readonly double _ticks = (double)TimeSpan.TicksPerSecond / time.TimestampFrequency;

    /// <summary>When a limit ends; never if it is not above zero, which means that there is none.</summary>
    public long After(long start, TimeSpan limit) => limit.Ticks <= 0 ? Never : Add(start, limit);

    /// <summary>So much later; never if that is beyond counting.</summary>
    public long Add(long start, TimeSpan duration)
    {
        var length = duration.Ticks * _perTick;
        return length >= Never - Math.Max(start, 0) ? Never : start + (long)length;
    }

    public TimeSpan Between(long start, long end) => new((long)((end - start) * _ticks));
}
