using Mesh.Client.LoadBalancing;
using Mesh.Discovery.Rules;

namespace Mesh.Client.Tests.LoadBalancing;

public sealed class LoadBalancerFactoryTests
{
    [Fact]
    public void Names_WithCustomPolicy_AreWhatSimpleMayName()
    {
        var factory = new LoadBalancerFactory([new PrimaryPolicy()], new SeededRandom(1), TimeProvider.System);

        Assert.Equal(
            ["LEAST_REQUEST", "PASSTHROUGH", "PEAK_EWMA", "PRIMARY", "RANDOM", "ROUND_ROBIN"],
            factory.Names.Order(StringComparer.Ordinal));
        Assert.Contains("primary", factory.Names);
    }

    [Fact]
    public void PolicyOf_NoRule_IsLeastRequest()
    {
        Assert.Equal("LEAST_REQUEST", Balancers.Factory().PolicyOf(null).Name);
        Assert.Equal("LEAST_REQUEST", Balancers.Factory().PolicyOf(
            new LoadBalancerConfig { Location = new SourceLocation("test") }).Name);
    }

    [Theory]
    [InlineData("round_robin", "ROUND_ROBIN")]
    [InlineData("Peak_Ewma", "PEAK_EWMA")]
    [InlineData("RANDOM", "RANDOM")]
    public void PolicyOf_AnyCase_IsFound(string simple, string name) =>
        Assert.Equal(name, Balancers.Factory().PolicyOf(Balancers.Rule(simple)).Name);

    [Theory]
    [InlineData(false, "RING_HASH")]
    [InlineData(true, "MAGLEV")]
    public void PolicyOf_ConsistentHash_IsByAlgorithm(bool maglev, string name) =>
        Assert.Equal(name, Balancers.Factory().PolicyOf(new LoadBalancerConfig
        {
            Location = new SourceLocation("test"),
            ConsistentHash = new ConsistentHashConfig { UseSourceIp = true, Maglev = maglev },
        }).Name);

    [Fact]
    public void PolicyOf_UnknownName_SaysPlaceNameAndAllowed()
    {
        var failure = Assert.Throws<ArgumentException>(() => Balancers.Factory().PolicyOf(Balancers.Rule("FASTEST")));

        Assert.Contains("test", failure.Message, StringComparison.Ordinal);
        Assert.Contains("'FASTEST'", failure.Message, StringComparison.Ordinal);
        Assert.Contains("LEAST_REQUEST, PEAK_EWMA, RANDOM, ROUND_ROBIN", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Constructor_BadRegistrations_AllAreReported()
    {
        ILoadBalancingPolicy[] policies =
        [
            new Named("Random"), new Named("passthrough"), new Named("RING_HASH"), new Named(" "), new Named("MINE"),
            new Named("mine"),
        ];

        var failure = Assert.Throws<InvalidOperationException>(
            () => new LoadBalancerFactory(policies, new SeededRandom(1), TimeProvider.System));

        var lines = failure.Message.Split(Environment.NewLine);
        Assert.Equal(5, lines.Length);
        Assert.Contains("'Random'", lines[0], StringComparison.Ordinal);
        Assert.Contains("'passthrough'", lines[1], StringComparison.Ordinal);
        Assert.Contains("'RING_HASH'", lines[2], StringComparison.Ordinal);
        Assert.Contains("no name", lines[3], StringComparison.Ordinal);
        Assert.Contains("'mine'", lines[4], StringComparison.Ordinal);
    }

    private sealed class Named(string name) : ILoadBalancingPolicy
    {
        public string Name => name;

        public EndpointPicker CreatePicker(LoadBalancingContext context) => throw new NotSupportedException();
    }
}
