namespace Mesh.Discovery.Runtime;

/// <summary>
/// Latency as Finagle's and Linkerd's peak-EWMA sees it: a sample above the estimate replaces it at once, and the estimate
/// falls by a factor of e every <see cref="Decay"/>, whether samples come or not.
/// </summary>
/// <remarks>
/// <para>
/// Finagle lets the estimate fall at every read, so between two reads a lower sample is averaged in with next to no
/// weight. In that limit the estimate is the highest of all samples, each decayed since it was taken. Kept as
/// <c>ln(sample) + time / Decay</c> this is a plain maximum: a compare-and-swap that loses no peak, and two endpoints
/// compare without a clock and without an exponential, because both go on falling at the same pace.
/// </para>
/// <para>Safe for concurrent use without locks; readers may see the two numbers of different samples.</para>
/// </remarks>
internal sealed class PeakEwma
{
    /// <summary>Finagle and Linkerd: ten seconds until an estimate has fallen to 1/e.</summary>
    public static readonly TimeSpan Decay = TimeSpan.FromSeconds(10);

    /// <summary>Linkerd: what an endpoint without samples counts with.</summary>
    public static readonly TimeSpan Initial = TimeSpan.FromMilliseconds(30);

    private const double NoSample = -1e15;
    private const double ShortestSeconds = 1e-6;

    private static readonly double s_initialLog = Math.Log(Initial.TotalSeconds);

    private double _peak = NoSample;
    private double _measured = s_initialLog;

    /// <summary>
    /// ln(seconds) of the estimate plus the time it stems from in units of <see cref="Decay"/>. The difference between two
    /// endpoints is that of their decayed estimates, now and at any later time. Very low before the first sample.
    /// </summary>
    public double Peak => Volatile.Read(ref _peak);

    /// <summary>ln(seconds) of the estimate as it was at the last sample.</summary>
    public double Measured => Volatile.Read(ref _measured);

    /// <summary>The estimate at the last sample in seconds; <see cref="double.NaN"/> before the first.</summary>
    public double Seconds => Peak == NoSample ? double.NaN : Math.Exp(Measured);

    /// <summary>A time for <see cref="Add"/>, in units of <see cref="Decay"/>.</summary>
    /// <param name="timestamp">A timestamp of the clock.</param>
    /// <param name="time">The clock.</param>
    public static double At(long timestamp, TimeProvider time) =>
        timestamp / (double)time.TimestampFrequency / Decay.TotalSeconds;

    /// <summary>Takes in a sample.</summary>
    /// <param name="seconds">The latency; below a microsecond counts as one.</param>
    /// <param name="now">From <see cref="At"/>.</param>
    public void Add(double seconds, double now)
    {
        var sample = Math.Log(Math.Max(seconds, ShortestSeconds)) + now;
        var peak = Volatile.Read(ref _peak);
        while (sample > peak)
        {
            var seen = Interlocked.CompareExchange(ref _peak, sample, peak);
            peak = seen == peak ? sample : seen;
        }

        Volatile.Write(ref _measured, peak - now);
    }
}
