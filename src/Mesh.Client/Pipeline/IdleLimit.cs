using Mesh.Discovery.Runtime;

namespace Mesh.Client.Pipeline;

/// <summary>
/// How long a response's body may stand still while somebody waits for it (Envoy: stream idle timeout). Safe for concurrent use.
/// </summary>
/// <param name="timeouts">Who watches.</param>
/// <param name="time">The clock.</param>
/// <param name="limit">Above zero.</param>
/// <param name="target">Who sends the body, where that is no endpoint of the mesh.</param>
internal sealed class IdleLimit(AttemptTimeouts timeouts, TimeProvider time, TimeSpan limit, string? target = null)
{
    private readonly Timestamps _timestamps = new(time);

    public TimeSpan Limit => limit;

    /// <summary>What a read takes along. It costs little, because most reads find their bytes already there and end it at once.</summary>
    public AttemptTimeout Begin(CancellationToken cancel) => timeouts.Rent(Timestamps.Never, 0, cancel);

    /// <summary>The read has to wait: from now on the time counts.</summary>
    public void Wait(AttemptTimeout timeout) => timeouts.Arm(timeout, _timestamps.After(time.GetTimestamp(), limit));

    /// <summary>The read is over; true if the time was, too.</summary>
    public bool End(AttemptTimeout timeout) => timeouts.Return(timeout, canBeReused: true);

    public IOException Error(EndpointState? endpoint, Exception? inner)
    {
        var message = $"The response of {endpoint?.ToString() ?? target} stopped half-way: nothing more of its body has come for "
            + $"{limit.TotalSeconds:0.###} s (Mesh:Outbound:IdleTimeout, or IdleTimeout of the route).";
        return new IOException(message, new TimeoutException(message, inner));
    }
}
