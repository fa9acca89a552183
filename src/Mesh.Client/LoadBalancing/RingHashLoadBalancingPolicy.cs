using Mesh.Client.LoadBalancing.Hashing;
using Mesh.Discovery.Rules;

namespace Mesh.Client.LoadBalancing;

/// <summary>Consistent hashing on a ring.</summary>
internal sealed class RingHashLoadBalancingPolicy : ILoadBalancingPolicy
{
    private static readonly int s_defaultSize = new ConsistentHashConfig().MinimumRingSize;

    public string Name => LoadBalancingPolicies.RingHash;

    public EndpointPicker CreatePicker(LoadBalancingContext context)
    {
        var weights = EndpointWeights.Read(context);
        var size = context.Config?.ConsistentHash?.MinimumRingSize ?? s_defaultSize;
        return new ConsistentHashPicker(context, weights, new RingHashTable(context.EndpointArray, weights, size));
    }
}
