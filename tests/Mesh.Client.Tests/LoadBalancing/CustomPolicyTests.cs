using Mesh.Client.LoadBalancing;
using Mesh.Discovery;
using Mesh.Discovery.Runtime;

namespace Mesh.Client.Tests.LoadBalancing;

/// <summary>Policies written against the public contract alone.</summary>
public sealed class CustomPolicyTests
{
    private readonly EndpointState[] _endpoints = Balancers.Endpoints(1, 1, 1);

    [Fact]
    public void Primary_NothingTried_OnlyPrimariesThenTheOthers()
    {
        _endpoints[1].Endpoint = _endpoints[1].Endpoint with { Labels = new Labels([new("role", "primary")]) };
        var picker = Create(new PrimaryPolicy(), "primary");

        Assert.All(Enumerable.Range(0, 10), _ => Assert.Same(_endpoints[1], picker.Pick()));
        Assert.NotSame(_endpoints[1], picker.Pick(_endpoints[1]));
        Assert.Same(_endpoints[2], picker.Pick(_endpoints[0], _endpoints[1]));
        Assert.Same(_endpoints[1], picker.Pick(_endpoints));
        Assert.False(picker.MeasuresLatency);
        picker.Completed(_endpoints[1], TimeSpan.Zero, true, TimeProvider.System);
    }

    [Fact]
    public void TakesTurnsOnFailure_MeasuredAttempts_LearnsFromOutcomes()
    {
        var picker = Create(new StickyPolicy(), "Sticky");
        var first = picker.Pick();
        Assert.True(picker.MeasuresLatency);

        picker.Completed(first, TimeSpan.FromMilliseconds(5), false, TimeProvider.System);
        Assert.Same(first, picker.Pick());

        picker.Completed(first, TimeSpan.FromMilliseconds(5), true, TimeProvider.System);
        Assert.NotSame(first, picker.Pick());
    }

    private EndpointPicker Create(ILoadBalancingPolicy policy, string name) =>
        new LoadBalancerFactory([policy], new SeededRandom(3), TimeProvider.System)
            .CreatePicker(_endpoints, Balancers.Rule(name), "10.9.9.9");

    /// <summary>Stays with the endpoint with the fewest requests in flight until that fails.</summary>
    private sealed class StickyPolicy : ILoadBalancingPolicy
    {
        public string Name => "STICKY";

        public EndpointPicker CreatePicker(LoadBalancingContext context) => new Picker(context);

        private sealed class Picker(LoadBalancingContext context) : EndpointPicker
        {
            private EndpointState _current = context.Endpoints.MinBy(endpoint => endpoint.InFlight)!;

            public override bool MeasuresLatency => true;

            public override EndpointState Pick(in PickContext pick) => Volatile.Read(ref _current);

            public override void OnCompleted(EndpointState endpoint, in AttemptOutcome outcome)
            {
                if (outcome.Failed)
                {
                    var others = context.Endpoints.Where(other => other != endpoint).ToArray();
                    Interlocked.CompareExchange(
                        ref _current, others[context.Random.Next(others.Length)], endpoint);
                }
            }
        }
    }
}
