namespace Mesh.Discovery.Runtime;

/// <summary>
/// Latency as Finagle's peak-EWMA sees it: a value above the average replaces it at once, lower ones are averaged in with
/// a weight that decays over time.
/// </summary>
/// <remarks>
/// Written without a lock: two racing writers may lose one sample, which an average can bear. Reading never tears on a
/// 64-bit runtime, and <see cref="Volatile"/> keeps it whole elsewhere.
/// </remarks>
internal sealed class PeakEwma
{
    /// <summary>Finagle and Linkerd: ten seconds until a sample's weight has fallen to 1/e.</summary>
    public static readonly TimeSpan Decay = TimeSpan.FromSeconds(10);

    private double _seconds = double.NaN;
    private long _stamp;

    /// <summary>The average in seconds; <see cref="double.NaN"/> before the first sample.</summary>
    public double Seconds => Volatile.Read(ref _seconds);

    /// <summary>Takes in a sample.</summary>
    /// <param name="seconds">The latency.</param>
    /// <param name="now">A timestamp of <paramref name="time"/>.</param>
    /// <param name="time">The clock.</param>
    public void Add(double seconds, long now, TimeProvider time)
    {
        var old = Volatile.Read(ref _seconds);
        var previous = Volatile.Read(ref _stamp);
        Volatile.Write(ref _stamp, now);
        if (!(seconds < old))
        {
            Volatile.Write(ref _seconds, seconds);
            return;
        }

        var keep = Math.Exp(-Math.Max(0, time.GetElapsedTime(previous, now).TotalSeconds) / Decay.TotalSeconds);
        Volatile.Write(ref _seconds, (old * keep) + (seconds * (1 - keep)));
    }
}
