namespace Mesh.Discovery.Runtime.Resilience;

/// <summary>What hedging knows of a destination: how long its requests take, and how much extra load is left. Safe for concurrent use.</summary>
/// <remarks>
/// Each request brings its share of a hedge, each hedge takes a whole one; at most <see cref="MaxSaved"/> are saved up. So the
/// extra load never exceeds the given share of the requests, whatever the destination does.
/// </remarks>
internal sealed class HedgeState(TimeProvider time)
{
    /// <summary>As many hedges can follow a quiet time at once.</summary>
    public const int MaxSaved = 100;

    /// <summary>Millionths of a hedge.</summary>
    private const long One = 1_000_000;

    private long _credit;
    private long _sent;
    private long _refused;

    public LatencyWindow Latencies { get; } = new(time);

    public long Sent => Interlocked.Read(ref _sent);

    public long Refused => Interlocked.Read(ref _refused);

    /// <summary>Notes a request that may be hedged.</summary>
    /// <param name="percent">Its share of a hedge.</param>
    public void Deposit(double percent)
    {
        if (Interlocked.Read(ref _credit) < MaxSaved * One)
        {
            Interlocked.Add(ref _credit, (long)(percent / 100 * One));
        }
    }

    /// <summary>The hedge that was taken was not sent.</summary>
    public void GiveBack()
    {
        Interlocked.Add(ref _credit, One);
        Interlocked.Decrement(ref _sent);
        Interlocked.Increment(ref _refused);
    }

    /// <summary>Takes a hedge, if there is one.</summary>
    public bool TryTake()
    {
        var credit = Interlocked.Read(ref _credit);
        while (credit >= One)
        {
            var seen = Interlocked.CompareExchange(ref _credit, credit - One, credit);
            if (seen == credit)
            {
                Interlocked.Increment(ref _sent);
                return true;
            }

            credit = seen;
        }

        Interlocked.Increment(ref _refused);
        return false;
    }
}
