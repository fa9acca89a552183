using Mesh.Discovery.Runtime;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Client.Tests.LoadBalancing;

/// <summary>
/// A discrete-event simulation of callers that each send one request after the other: the next one a pause after the
/// answer of the last.
/// </summary>
internal sealed class Simulation(EndpointState[] endpoints, string policy, int seed)
{
    private readonly FakeTimeProvider _time = new();
    private readonly Random _random = new(seed);

    /// <summary>How long an endpoint takes. Default: 10 ms, all alike.</summary>
    public Func<EndpointState, Random, TimeSpan> ServiceTime { get; init; } = (_, _) => TimeSpan.FromMilliseconds(10);

    /// <summary>Whether an attempt fails at once, in place of being served.</summary>
    public Func<EndpointState, bool> Fails { get; init; } = _ => false;

    /// <summary>The mean of a caller's pauses. Default: none.</summary>
    public TimeSpan Pause { get; init; }

    public List<EndpointState> Run(int callers, int requests)
    {
        var picker = Balancers.Picker(policy, endpoints, seed, _time);
        var start = _time.GetUtcNow();
        var events = new PriorityQueue<(EndpointState? Endpoint, TimeSpan Sent, bool Failed), (TimeSpan At, int Order)>();
        for (var i = 0; i < callers; i++)
        {
            events.Enqueue((null, default, false), (TimeSpan.FromMilliseconds(10 * _random.NextDouble()), i));
        }

        var picked = new List<EndpointState>(requests);
        for (var order = callers; picked.Count < requests; order++)
        {
            events.TryDequeue(out var next, out var due);
            _time.SetUtcNow(start + due.At);
            if (next.Endpoint is { } served)
            {
                served.Leave();
                picker.Completed(served, due.At - next.Sent, next.Failed, _time);
                if (Pause > TimeSpan.Zero)
                {
                    events.Enqueue((null, default, false), (due.At - (Pause * Math.Log(1 - _random.NextDouble())), order));
                    continue;
                }
            }

            var endpoint = picker.Pick();
            endpoint.Enter();
            picked.Add(endpoint);
            var failed = Fails(endpoint);
            var took = failed ? TimeSpan.FromMilliseconds(0.1) : ServiceTime(endpoint, _random);
            events.Enqueue((endpoint, due.At, failed), (due.At + took, order));
        }

        return picked;
    }
}
