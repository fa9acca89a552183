using Mesh.Client.LoadBalancing.Hashing;
using Mesh.Discovery.Rules;

namespace Mesh.Client.LoadBalancing;

/// <summary>Consistent hashing through Maglev's table.</summary>
internal sealed class MaglevLoadBalancingPolicy : ILoadBalancingPolicy
{
    private static readonly int s_defaultSize = new ConsistentHashConfig().TableSize;

    public string Name => LoadBalancingPolicies.Maglev;

    public EndpointPicker CreatePicker(LoadBalancingContext context)
    {
        var weights = EndpointWeights.Read(context);
        var size = context.Config?.ConsistentHash?.TableSize ?? s_defaultSize;
        return new ConsistentHashPicker(context, weights, new MaglevTable(context.EndpointArray, weights, size));
    }
}
