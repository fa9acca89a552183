namespace Mesh.Client.LoadBalancing;

/// <summary>Power of two choices on requests in flight.</summary>
internal sealed class LeastRequestLoadBalancingPolicy : ILoadBalancingPolicy
{
    public string Name => LoadBalancingPolicies.LeastRequest;

    public EndpointPicker CreatePicker(LoadBalancingContext context) => new Picker(context);

    private sealed class Picker(LoadBalancingContext context) : PowerOfTwoPicker(context)
    {
        protected override bool PrefersSecond(
            in Candidate first, int firstLoad, in Candidate second, int secondLoad, double chance) =>
            secondLoad < firstLoad;
    }
}
