using Mesh.Benchmarks.Simulation;

namespace Mesh.Benchmarks.Tests.Simulation;

/// <summary>Virtual time and a fixed seed: the figures are the same in every run, so the limits are exact.</summary>
public sealed class SimulatorTests
{
    private const int Seed = 1;

    [Fact]
    public void Run_SameSeed_GivesTheSameBytes()
    {
        Assert.Equal(Figures(Seed), Figures(Seed));
    }

    [Fact]
    public void Run_OtherSeed_GivesOtherBytes()
    {
        Assert.NotEqual(Figures(Seed), Figures(Seed + 1));
    }

    [Theory]
    [InlineData("RANDOM", 0.95, 0.96)]
    [InlineData("ROUND_ROBIN", 0.95, 0.96)]
    [InlineData("LEAST_REQUEST", 0.99, 1)]
    [InlineData("PEAK_EWMA", 0.999, 1)]
    [InlineData("LEAST_REQUEST+outlier", 0.999, 1)]
    [InlineData("PEAK_EWMA+retries", 0.9999, 1)]
    public void Run_OneEndpointIsSlow_SuccessIsAsPromised(string policy, double atLeast, double atMost)
    {
        var result = Simulator.Run(Scenarios.SlowEndpoint, Policy(policy), Seed);

        Assert.InRange(result.Success, atLeast, atMost);
        Assert.InRange(result.Requests, 59_000, 61_000);
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public void Run_NoEndpointServes_LoadIsNotMultiplied(string policy)
    {
        var result = Simulator.Run(Scenarios.Outage, Policy(policy), Seed);

        Assert.Equal(0, result.Succeeded);
        Assert.InRange(result.LoadFactor, 1, 1.25);
    }

    [Fact]
    public void Run_NoEndpointServes_RetriesUseTheirBudget()
    {
        var result = Simulator.Run(Scenarios.Outage, Policy("PEAK_EWMA+retries"), Seed);

        // 20 % and 10 a second of 1 000, and at the beginning the share of a whole window.
        Assert.InRange(result.LoadFactor, 1.2, 1.25);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(8)]
    public void Run_SomeRefuseAndOthersFail_RequestsSentAreNotMultiplied(int refusing)
    {
        var scenario = new Scenario("mixed", "some refuse connections, the others answer 503", callee =>
        {
            for (var i = 0; i < callee.Instances.Count; i++)
            {
                callee.Instances[i].FailsWith = 503;
                if (i < refusing)
                {
                    callee.Instances[i].Stop();
                }
            }
        });

        var result = Simulator.Run(scenario, Policy("PEAK_EWMA+retries"), Seed);

        Assert.Equal(0, result.Succeeded);
        Assert.InRange((result.Attempts - result.Refused) / (double)result.Requests, 0.2, 1.25);
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public void Run_RollingRestart_NobodyNotices(string policy)
    {
        var result = Simulator.Run(Scenario("d"), Policy(policy), Seed);

        Assert.Equal(result.Requests, result.Succeeded);
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public void Run_EveryScenario_IsOver(string policy)
    {
        foreach (var scenario in Scenarios.All)
        {
            var result = Simulator.Run(scenario with { Duration = TimeSpan.FromSeconds(2) }, Policy(policy), Seed);

            Assert.True(result.Requests > 1000, scenario.Key);
        }
    }

    [Fact]
    public void Run_Overload_RetriesDoNotMultiplyIt()
    {
        var bare = Simulator.Run(Scenario("f"), Policy("PEAK_EWMA"), Seed);
        var retrying = Simulator.Run(Scenario("f"), Policy("PEAK_EWMA+retries"), Seed);

        Assert.InRange(retrying.LoadFactor, 1, 1.25);
        Assert.InRange(retrying.Success, bare.Success * 0.95, 1);
    }

    public static IEnumerable<TheoryDataRow<string>> Policies() =>
        SimulationPolicy.All.Select(static policy => new TheoryDataRow<string>(policy.Name));

    private static string Figures(int seed) => SimulateCommand.Json(
        from scenario in Scenarios.All
        select (scenario, (from policy in SimulationPolicy.All
                           where policy.Name is "ROUND_ROBIN" or "LEAST_REQUEST+outlier" or "PEAK_EWMA+retries"
                           select (policy, Simulator.Run(scenario with { Duration = TimeSpan.FromSeconds(13) }, policy, seed))).ToList()));

    private static SimulationPolicy Policy(string name) => SimulationPolicy.All.Single(policy => policy.Name == name);

    private static Scenario Scenario(string key) => Scenarios.All.Single(scenario => scenario.Key == key);
}
