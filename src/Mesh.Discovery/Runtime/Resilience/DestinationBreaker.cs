using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Runtime.Resilience;

/// <summary>
/// Counts a destination's requests in flight and refuses those above its limits (Envoy: circuit breaker). A request counts
/// from its first attempt, through pauses between attempts, until its response's body is read or disposed.
/// </summary>
/// <remarks>
/// Only the attempt itself holds a place once, so a retry of a request that was let in is never refused. The limit that finds
/// itself looks only at requests without a response: it knows how long that takes, and streams would fill it up for hours. The
/// counters survive changes of the limits.
/// </remarks>
internal sealed class DestinationBreaker(ConnectionPoolConfig limits)
{
    private const long OneAnswered = 1L << 32;

    private volatile ConnectionPoolConfig _limits = limits;

    /// <summary>Requests in flight in the lower half; those among them that have their response in the upper one.</summary>
    private long _counts;
    private long _refused;
    private long _overLimit;

    public ConnectionPoolConfig Limits
    {
        get => _limits;
        set => _limits = value;
    }

    /// <summary>A limit that finds itself; null if there is none.</summary>
    public AdaptiveLimit? Adaptive { get; set; }

    public int InFlight => (int)Volatile.Read(ref _counts);

    /// <summary>Those in flight that have no response yet.</summary>
    public int Unanswered => UnansweredOf(Volatile.Read(ref _counts));

    public long Refused => Interlocked.Read(ref _refused);

    /// <summary>Requests over the limit that finds itself, let in because it is not enforced.</summary>
    public long OverLimit => Interlocked.Read(ref _overLimit);

    /// <summary>Takes a place.</summary>
    /// <param name="endpoints">How many endpoints there are, each with its own connections.</param>
    /// <param name="isHttp1">Whether the request has a connection to itself.</param>
    /// <param name="isCritical">Whether the limit that finds itself does not hold for it.</param>
    /// <returns>The limit that has no place left, and its value; null if there is one.</returns>
    public (string Name, int Value)? TryEnter(int endpoints, bool isHttp1, bool isCritical = false)
    {
        var limits = _limits;
        var counts = Interlocked.Increment(ref _counts);
        var count = (int)counts;
        if (count > limits.MaxRequests)
        {
            Refuse();
            return ("MaxRequests", limits.MaxRequests.Value);
        }

        if (isHttp1 && limits is { MaxPendingRequests: { } pending, MaxConnections: { } connections }
            && count > ((long)connections * endpoints) + pending)
        {
            Refuse();
            return ("MaxPendingRequests", pending);
        }

        if (Adaptive is { } adaptive && adaptive.Value is var value && UnansweredOf(counts) > value && !isCritical)
        {
            if (adaptive.Settings.Mode == AdaptiveConcurrencyMode.Enforce)
            {
                Refuse();
                return ("AdaptiveConcurrency", value);
            }

            Interlocked.Increment(ref _overLimit);
        }

        return null;
    }

    /// <summary>A request has its response, whose body is on its way; <see cref="LeaveAnswered"/> ends it.</summary>
    public void Answered() => Interlocked.Add(ref _counts, OneAnswered);

    public void LeaveAnswered() => Interlocked.Add(ref _counts, -OneAnswered - 1);

    /// <summary>A request ends without a response, or all of that is there.</summary>
    public void Leave() => Interlocked.Decrement(ref _counts);

    private static int UnansweredOf(long counts) => (int)counts - (int)(counts >> 32);

    private void Refuse()
    {
        Leave();
        Interlocked.Increment(ref _refused);
    }
}
