using CsCheck;
using Mesh.Client.LoadBalancing;
using Mesh.Discovery;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Runtime.Balancing;

namespace Mesh.Client.Tests.LoadBalancing;

/// <summary>Pickers take the weights that balancing made, not those of the catalog.</summary>
public sealed class EffectiveWeightsTests
{
    public static TheoryData<string> Policies => [.. Balancers.Simple];

    [Theory]
    [MemberData(nameof(Policies))]
    public void Pick_AnyBalance_SharesAreThoseOfTheBalance(string policy) =>
        Gen.Select(Gen.Int[0, 2].Array[2, 12], Gen.Double[0.1, 1], Gen.Bool.Array[12]).Sample((places, warmth, health) =>
        {
            const int Picks = 20_000;
            var all = places.Select(static (place, i) => new Endpoint
            {
                Address = new Uri($"http://10.0.0.{i + 1}:80"),
                Locality = new Locality("eu", $"{place}"),
                Weight = i + 1,
            }).ToArray();
            var settings = new BalanceSettings { Mode = BalanceMode.Failover, Locality = new Locality("eu", "0") };
            var balance = Balancer.Weigh(
                [.. all.Select((endpoint, i) => new BalanceCandidate(endpoint, i == 0 || health[i], i % 2 == 0 ? 1 : warmth))], settings);
            int[] chosen = [.. Enumerable.Range(0, all.Length).Where(i => balance.Weights[i] > 0)];
            var states = Array.ConvertAll(chosen, i => new EndpointState(new ServiceName("reviews", "default"), all[i]));
            var weights = EffectiveWeights.ToWhole([.. chosen.Select(i => balance.Weights[i])], [.. chosen.Select(i => all[i].Weight)]);
            var picker = Balancers.Factory().CreatePicker(states, Balancers.Rule(policy), "10.9.9.9", weights);

            var picks = Enumerable.Range(0, Picks).Select(_ => picker.Pick()).CountBy(static endpoint => endpoint).ToDictionary();

            Assert.All(states, (state, i) => Assert.InRange(
                (picks.GetValueOrDefault(state) / (double)Picks) - (balance.Weights[chosen[i]] / balance.Weights.Sum()), -0.02, 0.02));
        }, iter: 30);

    [Fact]
    public void Weights_NothingIsGiven_AreTheCatalogs()
    {
        var policy = new Recorder();
        var factory = new LoadBalancerFactory([policy], new SeededRandom(1), TimeProvider.System);

        factory.CreatePicker(Balancers.Endpoints(3, 1), Balancers.Rule("RECORDER"), "10.9.9.9");
        Assert.Equal([3, 1], policy.Weights);

        factory.CreatePicker(Balancers.Endpoints(3, 1), Balancers.Rule("RECORDER"), "10.9.9.9", [1, 9]);
        Assert.Equal([1, 9], policy.Weights);
    }

    private sealed class Recorder : ILoadBalancingPolicy
    {
        public string Name => "RECORDER";

        public IReadOnlyList<int> Weights { get; private set; } = [];

        public EndpointPicker CreatePicker(LoadBalancingContext context)
        {
            Weights = context.Weights;
            return new RandomLoadBalancingPolicy().CreatePicker(context);
        }
    }
}
