using Mesh.Discovery.Runtime;

namespace Mesh.Client.LoadBalancing;

/// <summary>Any endpoint, in proportion to its weight.</summary>
internal sealed class RandomLoadBalancingPolicy : ILoadBalancingPolicy
{
    public string Name => LoadBalancingPolicies.Random;

    public EndpointPicker CreatePicker(LoadBalancingContext context) => new Picker(context);

    private sealed class Picker(LoadBalancingContext context) : EndpointPicker
    {
        private readonly EndpointState[] _endpoints = context.EndpointArray;

        private readonly EndpointSampler _sampler = new(
            context.EndpointArray, EndpointWeights.Read(context), context.Random);

        public override EndpointState Pick(in PickContext context)
        {
            var index = context.Tried.IsEmpty ? _sampler.Next() : _sampler.NextUntried(context);
            return _endpoints[index >= 0 ? index : _sampler.Next()];
        }
    }
}
