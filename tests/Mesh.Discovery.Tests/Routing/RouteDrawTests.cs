using CsCheck;
using Mesh.Discovery.Routing;

namespace Mesh.Discovery.Tests.Routing;

public class RouteDrawTests
{
    private static readonly Gen<int[]> s_weights = Gen.Int[0, 20].Array[2, 6].Where(static weights => weights.Sum() > 0);

    [Fact]
    public void Draw_EveryPoint_MapsToEachArmAsOftenAsItsWeight() =>
        s_weights.Sample(weights =>
        {
            var route = Compile(weights);
            var drawn = new int[weights.Length];
            for (var point = 0; point < route.TotalWeight; point++)
            {
                drawn[Index(route.Draw(new FixedRandom(point)))]++;
            }

            Assert.Equal(weights.Sum(), route.TotalWeight);
            Assert.Equal(weights, drawn);
        });

    [Fact]
    public void Draw_RandomWeights_SharesWithinFiveSigma() =>
        Gen.Select(s_weights, Gen.Int[1, 1_000_000]).Sample(
            (weights, seed) =>
            {
                const int Draws = 20_000;
                var route = Compile(weights);
                var random = new SeededRandom(seed);
                var drawn = new int[weights.Length];
                for (var i = 0; i < Draws; i++)
                {
                    drawn[Index(route.Draw(random))]++;
                }

                for (var i = 0; i < weights.Length; i++)
                {
                    // Binomial: standard deviation of the share is sqrt(p(1-p)/n).
                    var share = (double)weights[i] / weights.Sum();
                    var tolerance = 5.5 * Math.Sqrt(share * (1 - share) / Draws);
                    Assert.InRange((double)drawn[i] / Draws, share - tolerance, share + tolerance);
                }
            },
            iter: 100);

    [Fact]
    public void Draw_ZeroWeight_IsNeverDrawn()
    {
        var route = Compile([0, 3, 0, 1, 0]);

        Assert.Equal(["v1", "v3"], route.Arms.Select(static arm => arm.Key.Subset));
    }

    [Theory]
    [InlineData(7)]
    [InlineData(null)]
    public void Draw_SingleArm_AsksForNoNumber(int? weight)
    {
        var route = Assert.Single(Rule.Compile(Rule.Service("a", ["a"], Rule.Route(Rule.To("a", weight: weight)))).Routes("a.prod.svc.cluster.local"));
        var random = new FixedRandom(0);

        Assert.Equal("a.prod", route.Draw(random).Key.Service.ToString());
        Assert.Empty(random.Asked);
    }

    [Fact]
    public void Draw_OnlyOneArmHasWeight_AsksForNoNumber()
    {
        var random = new FixedRandom(0);

        Assert.Equal("v1", Compile([0, 100]).Draw(random).Key.Subset);
        Assert.Empty(random.Asked);
    }

    [Fact]
    public void Draw_LargestWeights_NoOverflow()
    {
        var route = Compile([int.MaxValue - 1, 1]);

        Assert.Equal("v0", route.Draw(new FixedRandom(int.MaxValue - 2)).Key.Subset);
        Assert.Equal("v1", route.Draw(new FixedRandom(int.MaxValue - 1)).Key.Subset);
    }

    [Fact]
    public async Task Draw_ManyThreads_SharesHold()
    {
        const int Draws = 50_000;
        var route = Compile([25, 75]);
        var random = new SeededRandom(42);
        var first = 0;

        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < Draws; i++)
            {
                if (Index(route.Draw(random)) == 0)
                {
                    Interlocked.Increment(ref first);
                }
            }
        })));

        Assert.InRange((double)first / (8 * Draws), 0.245, 0.255);
    }

    [Fact]
    public void Draw_SystemRandom_SharesHold()
    {
        var route = Compile([1, 3]);
        var first = Enumerable.Range(0, 100_000).Count(_ => Index(route.Draw(SystemRandomSource.Instance)) == 0);

        Assert.InRange(first / 100_000.0, 0.24, 0.26);
    }

    private static Route Compile(int[] weights)
    {
        var compiled = Rule.Compile(
            Rule.Destination("reviews", [.. weights.Select(static (_, i) => $"v{i}")]),
            Rule.Service("reviews", ["reviews"], Rule.Route([.. weights.Select(static (weight, i) => Rule.To("reviews", $"v{i}", weight))])));
        Assert.Empty(compiled.Issues.Issues);
        return Assert.Single(compiled.Routes("reviews.prod.svc.cluster.local"));
    }

    private static int Index(RouteArm arm) => int.Parse(arm.Key.Subset![1..]);
}
