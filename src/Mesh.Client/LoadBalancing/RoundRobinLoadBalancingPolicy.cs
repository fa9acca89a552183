using Mesh.Discovery.Runtime;

namespace Mesh.Client.LoadBalancing;

/// <summary>All endpoints in turn, by a schedule that is made once and read by one shared counter.</summary>
internal sealed class RoundRobinLoadBalancingPolicy : ILoadBalancingPolicy
{
    public string Name => LoadBalancingPolicies.RoundRobin;

    public EndpointPicker CreatePicker(LoadBalancingContext context)
    {
        var endpoints = context.EndpointArray;
        var schedule = EndpointWeights.Read(context) is { } weights ? RoundRobinSchedule.Create(weights) : null;
        // A random start: clients that start together must not march in step.
        return new Picker(endpoints, schedule, context.Random.Next(schedule?.Length ?? endpoints.Length));
    }

    /// <param name="endpoints">The endpoints.</param>
    /// <param name="schedule">Indices of endpoints; <see langword="null"/> for each once, in order.</param>
    /// <param name="start">The value of the counter before the first pick; any.</param>
    internal sealed class Picker(EndpointState[] endpoints, int[]? schedule, int start) : EndpointPicker
    {
        private const int Turns = 8;

        private int _turn = start;

        public override EndpointState Pick(in PickContext context)
        {
            // Unsigned: the counter wraps after 2^32 turns. The schedule then goes on somewhere else, which does no harm.
            var turn = (uint)Interlocked.Increment(ref _turn);
            var endpoint = At(turn);
            return context.Tried.IsEmpty || !context.WasTried(endpoint) ? endpoint : PickUntried(turn, context);
        }

        private EndpointState PickUntried(uint turn, in PickContext context)
        {
            for (var ahead = 1u; ahead <= Turns; ahead++)
            {
                var endpoint = At(turn + ahead);
                if (!context.WasTried(endpoint))
                {
                    return endpoint;
                }
            }

            var index = EndpointSampler.Untried(endpoints, (int)(turn % (uint)endpoints.Length), context);
            return index >= 0 ? endpoints[index] : At(turn);
        }

        private EndpointState At(uint turn) => schedule is null
            ? endpoints[turn % (uint)endpoints.Length]
            : endpoints[schedule[turn % (uint)schedule.Length]];
    }
}
