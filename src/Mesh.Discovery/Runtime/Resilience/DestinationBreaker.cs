using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Runtime.Resilience;

/// <summary>
/// Counts a destination's requests in flight and refuses those above its limits (Envoy: circuit breaker). A request counts
/// from its first attempt, through pauses between attempts, until its response's body is read or disposed.
/// </summary>
/// <remarks>
/// Only the attempt itself holds a place once, so a retry of a request that was let in is never refused. The counters
/// survive changes of the limits.
/// </remarks>
internal sealed class DestinationBreaker(ConnectionPoolConfig limits)
{
    private volatile ConnectionPoolConfig _limits = limits;
    private int _inFlight;
    private long _refused;

    public ConnectionPoolConfig Limits
    {
        get => _limits;
        set => _limits = value;
    }

    /// <summary>A limit that finds itself; null if there is none.</summary>
    public AdaptiveLimit? Adaptive { get; set; }

    public int InFlight => Volatile.Read(ref _inFlight);

    public long Refused => Interlocked.Read(ref _refused);

    /// <summary>Takes a place.</summary>
    /// <param name="endpoints">How many endpoints there are, each with its own connections.</param>
    /// <param name="isHttp1">Whether the request has a connection to itself.</param>
    /// <param name="isCritical">Whether the limit that finds itself does not hold for it.</param>
    /// <returns>The limit that has no place left, and its value; null if there is one.</returns>
    public (string Name, int Value)? TryEnter(int endpoints, bool isHttp1, bool isCritical = false)
    {
        var limits = _limits;
        var count = Interlocked.Increment(ref _inFlight);
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

        if (Adaptive is { } adaptive && adaptive.Value is var value && count > value && !isCritical)
        {
            if (adaptive.Settings.Mode == AdaptiveConcurrencyMode.Enforce)
            {
                Refuse();
                return ("AdaptiveConcurrency", value);
            }

            Interlocked.Increment(ref _refused);
        }

        return null;
    }

    public void Leave() => Interlocked.Decrement(ref _inFlight);

    private void Refuse()
    {
        Leave();
        Interlocked.Increment(ref _refused);
    }
}
