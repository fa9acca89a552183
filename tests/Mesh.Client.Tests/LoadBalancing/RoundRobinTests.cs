using Mesh.Client.LoadBalancing;

namespace Mesh.Client.Tests.LoadBalancing;

public sealed class RoundRobinTests
{
    [Theory]
    [InlineData("5 1 1", "aaabaac")]
    [InlineData("1 1", "ab")]
    [InlineData("2 4", "bab")]
    [InlineData("3 2", "abaab")]
    [InlineData("0 1", "b")]
    public void Create_SmallWeights_SpreadsTurns(string weights, string expected)
    {
        var schedule = RoundRobinSchedule.Create([.. weights.Split(' ').Select(int.Parse)]);

        Assert.Equal(expected, string.Concat(schedule.Select(index => (char)('a' + index))));
    }

    [Fact]
    public void Pick_EqualWeights_EachOncePerRound()
    {
        var endpoints = Balancers.Endpoints(7, 7, 7);
        var picker = Balancers.Picker("ROUND_ROBIN", endpoints);

        for (var round = 0; round < 10; round++)
        {
            Assert.Equal(3, Enumerable.Range(0, 3).Select(_ => picker.Pick()).Distinct().Count());
        }
    }

    [Fact]
    public void CreatePicker_ManyClients_StartAtDifferentPlaces()
    {
        var endpoints = Balancers.Endpoints(1, 1, 1, 1);

        var first = Enumerable.Range(0, 100).Select(seed => Balancers.Picker("ROUND_ROBIN", endpoints, seed).Pick());

        Assert.Equal(4, first.Distinct().Count());
    }

    [Theory]
    [InlineData(int.MaxValue - 5)]
    [InlineData(-6)]
    public void Pick_CounterWraps_GoesOn(int start)
    {
        var endpoints = Balancers.Endpoints(1, 2, 3);
        var schedule = RoundRobinSchedule.Create([1, 2, 3]);
        var weighted = new RoundRobinLoadBalancingPolicy.Picker(endpoints, schedule, start);
        var equal = new RoundRobinLoadBalancingPolicy.Picker(endpoints, null, start);

        Assert.All(Enumerable.Range(0, 60), _ => Assert.Contains(weighted.Pick(), endpoints));
        Assert.All(Enumerable.Range(0, 60), _ => Assert.Contains(equal.Pick(endpoints[0]), endpoints[1..]));
        Assert.Equal(0, Balancers.WorstError(Enumerable.Range(0, 600).Select(_ => weighted.Pick()), endpoints), 1e-9);
    }
}
