using System.Text.Json.Nodes;
using Mesh.Benchmarks.Simulation;

namespace Mesh.Benchmarks.Tests.Simulation;

public sealed class SimulateCommandTests
{
    [Theory]
    [InlineData("--what")]
    [InlineData("--seed", "many")]
    [InlineData("--scenario", "a,nothing")]
    [InlineData("--policy")]
    [InlineData("--live", "--scenario", "b")]
    public async Task RunAsync_BadArguments_EndsWithTwo(params string[] args) => Assert.Equal(2, await SimulateCommand.RunAsync(args));

    [Fact]
    public void Json_OfResults_IsByScenarioAndPolicy()
    {
        var result = new SimulationResult(
            Requests: 4, Succeeded: 3, Attempts: 5, Refused: 1, [.. Enumerable.Range(1, 4).Select(static ms => TimeSpan.FromMilliseconds(ms))]);

        var json = SimulateCommand.Json([(Scenarios.SlowEndpoint, [(SimulationPolicy.All.Single(static policy => policy.Name == "PEAK_EWMA+retries"), result)])]);

        Assert.Equal("""{"a":{"PEAK_EWMA+retries":{"success":0.75,"p50_ms":3,"p99_ms":4,"load_factor":1.25}}}""", json);
        Assert.NotNull(JsonNode.Parse(json));
    }

    [Fact]
    public void Names_OfScenariosAndPolicies_AreUnique()
    {
        Assert.Distinct(Scenarios.All.Select(static scenario => scenario.Key));
        Assert.Distinct(SimulationPolicy.All.Select(static policy => policy.Name));
    }
}
