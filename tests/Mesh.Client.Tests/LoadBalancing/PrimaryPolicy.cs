// Shown in docs/load-balancing.md, "Your own policy", from the first using on. It may use public API only.
using Mesh.Client.LoadBalancing;
using Mesh.Discovery.Runtime;

/// <summary>Everything goes to the endpoints labelled <c>role: primary</c>, in turn; retries go to the others.</summary>
public sealed class PrimaryPolicy : ILoadBalancingPolicy
{
    public string Name => "PRIMARY";

    public EndpointPicker CreatePicker(LoadBalancingContext context)
    {
        var primaries = context.Endpoints.Where(IsPrimary).ToArray();
        var others = context.Endpoints.Where(endpoint => !IsPrimary(endpoint)).ToArray();
        return new Picker(primaries, others);
    }

    private static bool IsPrimary(EndpointState endpoint) =>
        endpoint.Endpoint.Labels.TryGetValue("role", out var role) && role == "primary";

    private sealed class Picker(EndpointState[] primaries, EndpointState[] others) : EndpointPicker
    {
        private int _turn;

        public override EndpointState Pick(in PickContext context)
        {
            var turn = (uint)Interlocked.Increment(ref _turn);
            return Untried(primaries, turn, context) ?? Untried(others, turn, context)
                ?? (primaries.Length > 0 ? primaries : others)[0];
        }

        private static EndpointState? Untried(EndpointState[] endpoints, uint turn, in PickContext context)
        {
            for (var i = 0u; i < endpoints.Length; i++)
            {
                var endpoint = endpoints[(turn + i) % (uint)endpoints.Length];
                if (!context.WasTried(endpoint))
                {
                    return endpoint;
                }
            }

            return null;
        }
    }
}
