using CsCheck;
using Mesh.Discovery.Runtime.Balancing;

namespace Mesh.Discovery.Tests.Runtime.Balancing;

public sealed class ApertureTests
{
    [Fact]
    public void Parts_AllCallersTogether_LoadIsEvenAndEachSeesEnough() =>
        Gen.Select(Gen.Int[1, 40], Gen.Int[1, 20].Array[1, 60], Gen.Int[1, 25]).Sample((callers, weights, size) =>
        {
            var usable = weights.Select(static _ => true).ToArray();
            var loads = new double[weights.Length];
            for (var caller = 0; caller < callers; caller++)
            {
                var parts = Aperture.Parts(weights, usable, caller, callers, size);

                Assert.All(parts, static part => Assert.InRange(part, 0, 1));
                Assert.True(parts.Count(static part => part > 0) >= Math.Min(size, weights.Length));
                var total = parts.Select((part, i) => part * weights[i]).Sum();
                for (var i = 0; i < loads.Length; i++)
                {
                    loads[i] += parts[i] * weights[i] / total;
                }
            }

            Assert.All(loads, (load, i) => Assert.Equal(callers * weights[i] / (double)weights.Sum(), load, 9));
        }, iter: 2_000);

    [Fact]
    public void Parts_SomeAreEjected_TheArcGrowsUntilEnoughAreLeft() =>
        Gen.Select(Gen.Int[1, 20], Gen.Int[1, 5].Array[1, 40], Gen.Int[1, 20], Gen.Bool.Array[40]).Sample((callers, weights, size, health) =>
        {
            var usable = weights.Select((_, i) => health[i]).ToArray();
            for (var caller = 0; caller < callers; caller++)
            {
                var parts = Aperture.Parts(weights, usable, caller, callers, size);

                Assert.True(parts.Where((part, i) => part > 0 && usable[i]).Count() >= Math.Min(size, usable.Count(static u => u)));
            }
        }, iter: 1_000);

    [Fact]
    public void Parts_ManyEndpoints_ACallerUsesAboutAsManyAsItWants()
    {
        int[] weights = [.. Enumerable.Repeat(1, 1000)];
        bool[] usable = [.. Enumerable.Repeat(true, 1000)];

        Assert.All(Enumerable.Range(0, 200), caller =>
            Assert.InRange(Aperture.Parts(weights, usable, caller, 200, 20).Count(static part => part > 0), 20, 26));
    }

    [Fact]
    public void Weigh_APeerJoins_ACallerExchangesFewEndpoints()
    {
        var candidates = Candidates.Of(string.Join(' ', Enumerable.Repeat("-", 200)));
        for (var callers = 10; callers < 60; callers++)
        {
            for (var own = 0; own < callers; own++)
            {
                var (before, after) = (Used(callers, own), Used(callers + 1, own));

                // Each end of an arc moves by one caller's part at most, and the arc is never longer than it needs to be by more.
                Assert.InRange(before.Except(after).Count(), 0, (200 / callers) + 2);
                Assert.InRange(after.Except(before).Count(), 0, (2 * 200 / callers) + 2);
            }
        }

        int[] Used(int callers, int own)
        {
            var peers = Enumerable.Range(0, callers).Select(static i => Candidates.At(i)).OrderBy(static p => p.Address.Authority, StringComparer.Ordinal).ToArray();
            var settings = new BalanceSettings { ApertureSize = 20, Peers = new Peers(peers, peers[own].Address.Authority, 0) };
            var weights = Balancer.Weigh(candidates, settings).Weights;
            return [.. Enumerable.Range(0, 200).Where(i => weights[i] > 0)];
        }
    }

    [Fact]
    public void Place_UnknownCaller_StandsWhereItsIdSays()
    {
        var peers = new Peers([Candidates.At(1), Candidates.At(0)], "10.0.0.2:8080", 5);

        Assert.Equal((1, 2), peers.Place(static _ => true));
        Assert.Equal((5, 65536), new Peers([Candidates.At(1)], "10.9.9.9:1", 5).Place(static _ => true));
    }
}
