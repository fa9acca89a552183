using Mesh.Client.Pipeline;
using Mesh.Discovery.Runtime.Resilience;

namespace Mesh.Client.Resilience;

/// <summary>Brings circuits and the breakers that decide for them together. Safe for concurrent use.</summary>
/// <remarks>Nothing here may name a type of Polly's: a process without a breaker does not load it.</remarks>
internal sealed class CircuitBreakers(TimeProvider time)
{
    /// <summary>Counts the outcome of an attempt. One that ends while the circuit is not closed any more does not count.</summary>
    public void Report(DestinationCircuit circuit, AttemptResult result)
    {
        if (circuit.IsCounting)
        {
            Get(circuit).Report(result == AttemptResult.Good);
        }
    }

    /// <summary>Sends an attempt if it may be the one that finds out whether the destination is well again.</summary>
    /// <exception cref="CircuitOpenException">It may not.</exception>
    public async Task<HttpResponseMessage> ProbeAsync(DestinationCircuit circuit, HttpRequestMessage request, Func<Task<HttpResponseMessage>> send) =>
        await Get(circuit).ProbeAsync(send).ConfigureAwait(false) ?? throw Errors.CircuitOpen(circuit, request, null);

    /// <summary>
    /// The breaker, made anew if what it counts by has changed. As it is open or half-open whatever it counts by, one that is not
    /// closed stays until it is.
    /// </summary>
    private FailureRateBreaker Get(DestinationCircuit circuit)
    {
        var breaker = (FailureRateBreaker?)Volatile.Read(ref circuit.Strategy);
        if (breaker is not null && (breaker.Settings.CountsAs(circuit.Settings) || !circuit.IsCounting))
        {
            return breaker;
        }

        var made = new FailureRateBreaker(circuit, circuit.Settings, time);
        var seen = (FailureRateBreaker?)Interlocked.CompareExchange(ref circuit.Strategy, made, breaker);
        return seen == breaker ? made : seen!;
    }
}
