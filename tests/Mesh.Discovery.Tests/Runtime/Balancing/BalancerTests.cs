using CsCheck;
using Mesh.Discovery.Runtime.Balancing;

namespace Mesh.Discovery.Tests.Runtime.Balancing;

public sealed class BalancerTests
{
    [Theory]
    [InlineData("eu/a/1 eu/a/2 eu/b/1 us/a/1 -", "0 1 2 3 3")]
    [InlineData("eu/b/1 us/a/1", "0 1")]
    [InlineData("us/a/1 asia/a/1", "0 0")]
    [InlineData("eu/a eu/a/1", "1 0")]
    public void Weigh_Failover_PrioritiesByDistanceWithoutGaps(string endpoints, string priorities) =>
        Assert.Equal(priorities, Priorities(endpoints, Candidates.Failover()));

    [Fact]
    public void Weigh_FailoverTo_TheNamedRegionComesBeforeOthers() => Assert.Equal("1 2 0 2", Priorities(
        "us/a/1 asia/a/1 eu/b/1 -", Candidates.Failover(new LocalityLbConfig { Failover = [new("us", "asia"), new("eu", "us")] })));

    [Theory]
    [InlineData("", "region=eu,zone=a,version=v1 region=eu,zone=a,version=v2 region=eu,zone=b,version=v1 region=us,zone=a,version=v1", "0 1 2 3")]
    [InlineData("version=v2", "region=eu,zone=a,version=v1 region=eu,zone=a,version=v2", "1 0")]
    public void Weigh_FailoverPriority_CountsLeadingLabelsInCommon(string given, string endpoints, string priorities)
    {
        var settings = Candidates.Failover(
            new LocalityLbConfig
            {
                FailoverPriority = ["topology.kubernetes.io/region", "topology.kubernetes.io/zone", given.Length > 0 ? given : "version"],
            },
            new Labels([new("version", "v1")]));
        BalanceCandidate[] candidates =
        [
            .. endpoints.Split(' ').Select(static (text, i) =>
            {
                var labels = text.Split(',').Select(static pair => pair.Split('=')).ToDictionary(static p => p[0], static p => p[1]);
                return new BalanceCandidate(
                    Candidates.At(i, $"{labels["region"]}/{labels["zone"]}", 1, ("version", labels["version"])), true);
            }),
        ];

        Assert.Equal(priorities, Priorities(Balancer.Weigh(candidates, settings), candidates.Length));
    }

    [Theory]
    [InlineData("eu/a/1 eu/a/1 us/a/1", "100 0")]
    [InlineData("eu/a/1 !eu/a/1 us/a/1 us/a/1", "70 30")]
    [InlineData("eu/a/1 eu/a/1 eu/a/1 eu/a/1 eu/a/1 !eu/a/1 !eu/a/1 us/a/1", "100 0")]
    [InlineData("!eu/a/1 us/a/1", "0 100")]
    [InlineData("!eu/a/1 us/a/1 !us/a/1", "0 100")]
    [InlineData("eu/a/1 !eu/a/1 !eu/a/1 !eu/a/1 us/a/1 !us/a/1 !us/a/1 !us/a/1", "50 50")]
    [InlineData("eu/a/1 !eu/a/1 eu/b/1 !eu/b/1 us/a/1", "70 30 0")]
    [InlineData("!eu/a/1 !us/a/1", "0 0")]
    public void Weigh_PriorityIsIll_TheNextTakesWhatItCannot(string endpoints, string shares) =>
        Assert.Equal(shares, Candidates.Shares(Balancer.Weigh(Candidates.Of(endpoints), Candidates.Failover())));

    [Theory]
    [InlineData("eu/a/1 eu/b/1 us/a/1", "50 20 30")]
    [InlineData("eu/a/1 eu/a/2 eu/b/1 us/a/1", "50 20 30")]
    [InlineData("eu/a/1 us/a/1", "62.5 0 37.5")]
    [InlineData("us/a/1", "0 0 100")]
    [InlineData("!eu/a/1 eu/b/1 us/a/1", "0 40 60")]
    public void Weigh_Distribute_SharesAreAsGivenAndThoseOfNobodyGoToTheOthers(string endpoints, string shares) =>
        Assert.Equal(shares, Candidates.Shares(Balancer.Weigh(Candidates.Of(endpoints), Given())));

    [Fact]
    public void Weigh_Distribute_WeightsKeepTheirRatioWithinALocality()
    {
        var weights = Balancer.Weigh(Candidates.Of("eu/a/1*3 eu/a/2*1 us/a/1*50 asia/a/1*9"), Given()).Weights;

        Assert.Equal([0.46875, 0.15625, 0.375, 0], weights.Select(static weight => Math.Round(weight, 9)));
    }

    [Fact]
    public void Weigh_Panic_AllTakeTrafficWhereverTheyAreButDistributeStays()
    {
        var candidates = Candidates.Of("eu/a/1 us/a/1*2 asia/a/1");

        Assert.Equal([0.25, 0.5, 0.25], Balancer.Weigh(candidates, Candidates.Failover(), isPanicking: true).Weights);
        Assert.Equal(0, Balancer.Weigh(candidates, Given(), isPanicking: true).Weights[2]);
    }

    [Theory]
    [InlineData("eu/a eu/b", "100 0")]
    [InlineData("eu/a eu/a eu/b", "75 25")]
    [InlineData("eu/a eu/a eu/a eu/b", "66.7 33.3")]
    [InlineData("eu/a eu/b eu/b eu/b", "100 0")]
    [InlineData("eu/b eu/c", "all")]
    public void Weigh_ZoneAware_TheOwnZoneTakesWhatKeepsLoadEven(string peers, string shares)
    {
        var settings = Zones(peers) with { MinClusterSize = 4 };

        var balance = Balancer.Weigh(Candidates.Of("eu/a eu/a eu/b eu/b"), settings);

        Assert.Equal(shares == "all" ? "100" : shares, Candidates.Shares(balance));
        Assert.Equal("100", Candidates.Shares(Balancer.Weigh(Candidates.Of("eu/a eu/a eu/b"), settings)));
    }

    [Fact]
    public void Weigh_ZoneAwareInEveryZone_EachEndpointGetsTheSame() =>
        Gen.Select(Gen.Int[0, 2].Array[1, 30], Gen.Int[0, 2].Array[1, 30]).Sample((peers, endpoints) =>
        {
            static string Zone(int zone) => $"eu/{"abc"[zone]}";
            var candidates = Candidates.Of(string.Join(' ', endpoints.Select(Zone)));
            var loads = new double[endpoints.Length];
            foreach (var peer in peers)
            {
                var settings = Zones(string.Join(' ', peers.Select(Zone))) with { Locality = Candidates.Place(Zone(peer)) };
                var weights = Balancer.Weigh(candidates, settings).Weights;
                for (var i = 0; i < loads.Length; i++)
                {
                    loads[i] += weights[i];
                }
            }

            Assert.All(loads, load => Assert.Equal(peers.Length / (double)endpoints.Length, load, 9));
        }, iter: 300);

    [Fact]
    public void Weigh_AnyEndpoints_SharesAreWholeAndNobodyIllGetsAny() =>
        Gen.Select(Candidates.Any, Gen.Int[0, 3], Gen.Int[0, 12]).Sample((candidates, mode, size) =>
        {
            var settings = (mode switch { 0 => new BalanceSettings(), 1 => Candidates.Failover(), 2 => Given(), _ => Zones("eu/a eu/b") })
                with { ApertureSize = size > 0 ? size : null };

            var balance = Balancer.Weigh(candidates, settings);

            var reachable = candidates.Any(candidate => candidate.IsUsable && settings.Admits(candidate.Endpoint));
            Assert.Equal(reachable ? 1 : 0, balance.Groups.Sum(static group => group.Share), 9);
            Assert.Equal(reachable, balance.Weights.Any(static weight => weight > 0));
            Assert.All(balance.Weights, (weight, i) => Assert.True(weight >= 0 && (weight == 0 || candidates[i].IsUsable)));
        }, iter: 3_000);

    [Fact]
    public void Weigh_OneMoreIsHealthy_ItsPriorityAndThoseAboveNeverGetLess() =>
        Candidates.Any.Sample(candidates =>
        {
            var before = Balancer.Weigh(candidates, Candidates.Failover());
            for (var i = 0; i < candidates.Length; i++)
            {
                if (candidates[i].IsUsable)
                {
                    continue;
                }

                var healed = candidates.ToArray();
                healed[i] = healed[i] with { IsUsable = true };
                var after = Balancer.Weigh(healed, Candidates.Failover());
                var group = before.Groups.ToList().FindIndex(g => g.Members.Contains(i));
                Assert.True(
                    after.Groups.Take(group + 1).Sum(static g => g.Share) >= before.Groups.Take(group + 1).Sum(static g => g.Share) - 1e-9
                    || after.Groups.Sum(static g => g.Availability) < 1);
                Assert.True(after.Groups[group].Share >= before.Groups[group].Share - 1e-9);
            }
        }, iter: 500);

    [Fact]
    public void Weigh_Newcomers_WarmUpAlsoWhereALocalityHasNoOthers()
    {
        var candidates = Candidates.Of("eu/a/1 us/a/1");
        candidates[1] = candidates[1] with { Warmth = 0.1 };

        var weights = Balancer.Weigh(candidates, Given()).Weights;

        Assert.Equal(0.1 * 37.5 / 62.5, weights[1] / weights[0], 9);
    }

    [Fact]
    public void Weigh_EqualWarmth_ChangesNothing() => Candidates.Any.Sample(candidates =>
    {
        var cold = Array.ConvertAll(candidates, static candidate => candidate with { Warmth = 0.3 });
        var warm = Array.ConvertAll(candidates, static candidate => candidate with { Warmth = 1 });

        var (a, b) = (Balancer.Weigh(cold, Candidates.Failover()).Weights, Balancer.Weigh(warm, Candidates.Failover()).Weights);

        Assert.All(a, (weight, i) => Assert.Equal(b[i], weight / 0.3, 9));
    }, iter: 300);

    [Fact]
    public void ToWhole_AnyWeights_KeepTheirRatio() =>
        Gen.Double[0.001, 1].Array[1, 60].Sample(weights =>
        {
            var whole = EffectiveWeights.ToWhole(weights, [.. weights.Select(static _ => 1)]) ?? [.. weights.Select(static _ => 1)];

            Assert.All(whole, (weight, i) => Assert.InRange(
                (weight / whole.Sum(static w => (double)w)) - (weights[i] / weights.Sum()), -1e-5, 1e-5));
        }, iter: 500);

    [Fact]
    public void ToWhole_RatioOfTheCatalog_IsNull()
    {
        Assert.Null(EffectiveWeights.ToWhole([0.3, 0.1], [3, 1]));
        Assert.Null(EffectiveWeights.ToWhole([0.5, 0.5], [0, 0]));
        Assert.Null(EffectiveWeights.ToWhole([], []));
        Assert.Equal([1 << 24, 1 << 23], EffectiveWeights.ToWhole([0.2, 0.1], [3, 1])!);
    }

    private static BalanceSettings Given() => new()
    {
        Mode = BalanceMode.Distribute,
        Locality = Candidates.Own,
        Targets = new Dictionary<string, int> { ["eu/a/*"] = 50, ["eu/b"] = 20, ["us/*"] = 30 },
    };

    private static BalanceSettings Zones(string peers) => new()
    {
        Mode = BalanceMode.ZoneAware,
        Locality = Candidates.Own,
        MinClusterSize = 1,
        Peers = new Peers(peers.Split(' ').Select(static (place, i) => Candidates.At(i, place)), null, 7),
    };

    private static string Priorities(string endpoints, BalanceSettings settings) =>
        Priorities(Balancer.Weigh(Candidates.Of(endpoints), settings), endpoints.Split(' ').Length);

    private static string Priorities(Balance balance, int count) => string.Join(' ', Enumerable.Range(0, count).Select(
        index => balance.Groups.Select(static (group, i) => (group, i)).Single(pair => pair.group.Members.Contains(index)).i));
}
