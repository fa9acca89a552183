using Mesh.Client.LoadBalancing;

namespace Mesh.Client.Tests.LoadBalancing;

/// <summary>Every policy sends traffic in proportion to weights at every concurrency, when endpoints are equally fast.</summary>
public sealed class WeightSimulationTests
{
    private const int Requests = 30_000;

    /// <summary>1.5 percentage points: three standard deviations of 30 000 draws are 0.9, the model itself errs by up to 1.</summary>
    private const double Tolerance = 0.015;

    public static TheoryData<string, int, string> Cases()
    {
        var cases = new TheoryData<string, int, string>();
        foreach (var policy in Balancers.Simple)
        {
            foreach (var callers in new[] { 1, 2, 4, 8, 32 })
            {
                foreach (var weights in new[] { "1 3", "1 1 8", "0 0 0", "5 5 6", "1 100", "1 2 3 4", "100 301 7" })
                {
                    cases.Add(policy, callers, weights);
                }
            }
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Pick_EqualServiceTimes_SharesAreTheWeights(string policy, int callers, string weights)
    {
        var endpoints = Balancers.Endpoints([.. weights.Split(' ').Select(int.Parse)]);

        var picked = new Simulation(endpoints, policy, seed: 42).Run(callers, Requests);

        Assert.InRange(Balancers.WorstError(picked, endpoints), 0, Tolerance);
        Assert.InRange(endpoints.Sum(endpoint => endpoint.InFlight), 1, callers);
    }

    [Theory]
    [InlineData(LoadBalancingPolicies.LeastRequest, 1)]
    [InlineData(LoadBalancingPolicies.LeastRequest, 8)]
    [InlineData(LoadBalancingPolicies.PeakEwma, 1)]
    [InlineData(LoadBalancingPolicies.PeakEwma, 8)]
    public void Pick_CallersThatPause_SharesAreTheWeights(string policy, int callers)
    {
        var endpoints = Balancers.Endpoints(1, 1, 8);

        var picked = new Simulation(endpoints, policy, seed: 42) { Pause = TimeSpan.FromSeconds(20) }
            .Run(callers, Requests);

        Assert.InRange(Balancers.WorstError(picked, endpoints), 0, Tolerance);
    }

    /// <summary>
    /// Latency is meant to override weights, and noise looks like latency: up to six percentage points. A plain comparison
    /// of estimates misses by more than ten.
    /// </summary>
    [Theory]
    [InlineData(1, "1 3")]
    [InlineData(8, "1 3")]
    [InlineData(32, "1 3")]
    [InlineData(1, "1 1 8")]
    [InlineData(8, "1 1 8")]
    [InlineData(32, "1 1 8")]
    public void Pick_PeakEwmaWithNoisyServiceTimes_SharesStayNearTheWeights(int callers, string weights)
    {
        var endpoints = Balancers.Endpoints([.. weights.Split(' ').Select(int.Parse)]);

        var picked = new Simulation(endpoints, LoadBalancingPolicies.PeakEwma, seed: 42)
        {
            ServiceTime = (_, random) => TimeSpan.FromMilliseconds(10 * Math.Exp(0.3 * Normal(random))),
            Pause = TimeSpan.FromSeconds(1),
        }.Run(callers, Requests);

        Assert.InRange(Balancers.WorstError(picked, endpoints), 0, 0.06);
    }

    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
