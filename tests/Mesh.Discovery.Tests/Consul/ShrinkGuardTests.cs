using CsCheck;
using Mesh.Discovery.Consul;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Discovery.Tests.Consul;

public sealed class ShrinkGuardTests
{
    private static readonly TimeSpan s_hold = TimeSpan.FromSeconds(60);

    private readonly FakeTimeProvider _time = new();
    private readonly ShrinkGuard _guard;

    public ShrinkGuardTests() => _guard = new ShrinkGuard(s_hold, _time);

    [Theory]
    [InlineData(10, 10, false)]
    [InlineData(10, 5, false)]
    [InlineData(10, 4, true)]
    [InlineData(10, 0, true)]
    [InlineData(3, 2, false)]
    [InlineData(3, 1, true)]
    [InlineData(2, 1, false)]
    [InlineData(1, 0, true)]
    [InlineData(0, 0, false)]
    [InlineData(1, 20, false)]
    public void Judge_LossOfMoreThanHalf_IsDoubtedAndAfterTroubleAnyLoss(int before, int now, bool isDoubtedInGoodTimes)
    {
        foreach (var afterTrouble in (bool[])[false, true])
        {
            var isDoubted = afterTrouble ? now < before : isDoubtedInGoodTimes;
            var guard = new ShrinkGuard(s_hold, _time);
            guard.Judge(Healthy(before), afterTrouble: false);

            var verdict = guard.Judge(Healthy(now), afterTrouble);

            Assert.Equal(isDoubted, verdict.LookAgain is not null);
            Assert.Equal(isDoubted, verdict.IsNew);
            Assert.Equal(isDoubted ? before : now, verdict.Endpoints.Count);
        }
    }

    [Fact]
    public void Judge_LossInGoodTimes_IsBelievedAtTheSecondLook()
    {
        _guard.Judge(Healthy(10), false);
        Assert.Equal(TimeSpan.FromSeconds(1), _guard.Judge(Healthy(1), false).LookAgain);
        _time.Advance(TimeSpan.FromMilliseconds(400));
        var sooner = _guard.Judge(Healthy(1), false);
        Assert.Equal(TimeSpan.FromMilliseconds(600), sooner.LookAgain);
        Assert.False(sooner.IsNew);
        _time.Advance(TimeSpan.FromMilliseconds(600));

        var verdict = _guard.Judge(Healthy(1), false);
        Assert.Null(verdict.LookAgain);
        Assert.Single(verdict.Endpoints);

        // And that is what counts from now on.
        Assert.Null(_guard.Judge(Healthy(1), false).LookAgain);
    }

    [Fact]
    public void Judge_LossAfterTrouble_IsHeldForTheTimeAndNoLonger()
    {
        _guard.Judge(Healthy(10), false);
        Assert.Equal(s_hold, _guard.Judge([], true).LookAgain);
        _time.Advance(s_hold - TimeSpan.FromTicks(1));
        Assert.Equal(10, _guard.Judge([], true).Endpoints.Count);
        _time.Advance(TimeSpan.FromTicks(1));

        Assert.Empty(_guard.Judge([], true).Endpoints);
        Assert.Empty(_guard.Judge([], false).Endpoints);
    }

    [Fact]
    public void Judge_SecondOutageDuringADoubt_BeginsItAnew()
    {
        _guard.Judge(Healthy(10), false);
        _guard.Judge(Healthy(0), afterTrouble: true, isNewTrouble: true);
        _time.Advance(TimeSpan.FromSeconds(65));

        var verdict = _guard.Judge(Healthy(0), afterTrouble: true, isNewTrouble: true);

        Assert.Equal(10, verdict.Endpoints.Count);
        Assert.Equal(s_hold, verdict.LookAgain);
    }

    [Fact]
    public void Judge_TroubleIsOverDuringADoubt_IsHeldForItsTime()
    {
        _guard.Judge(Healthy(10), false);
        _guard.Judge(Healthy(0), afterTrouble: true);
        _time.Advance(TimeSpan.FromSeconds(30));

        Assert.Equal(10, _guard.Judge(Healthy(1), afterTrouble: false).Endpoints.Count);
        _time.Advance(TimeSpan.FromSeconds(30));
        Assert.Single(_guard.Judge(Healthy(1), afterTrouble: false).Endpoints);
    }

    [Fact]
    public void Judge_WhatComesBackMeanwhile_IsUsedAtOnce()
    {
        _guard.Judge(Healthy(4), false);
        _guard.Judge([], true);
        var verdict = _guard.Judge([At(0, weight: 9), At(20)], true);

        Assert.Equal(5, verdict.Endpoints.Count);
        Assert.Equal(9, verdict.Endpoints.Single(static e => e.Address == At(0).Address).Weight);
        Assert.Contains(verdict.Endpoints, static e => e.Address == At(20).Address);

        // All there again: the doubt ends, and what was only kept goes.
        Assert.Equal(5, _guard.Judge([.. Healthy(3), At(20)], true).Endpoints.Count);
        var all = _guard.Judge([.. Healthy(4), At(20), At(21)], true);
        Assert.Null(all.LookAgain);
        Assert.Equal(6, all.Endpoints.Count);
    }

    [Fact]
    public void Judge_OneOfManyMissingAfterTrouble_IsKeptBecauseItMayBeTheOnlyOneOfItsSubset()
    {
        _guard.Judge(Healthy(3), false);
        var verdict = _guard.Judge([At(1), At(2)], true);

        Assert.Equal(3, verdict.Endpoints.Count);
        Assert.Equal(s_hold, verdict.LookAgain);
        Assert.Null(_guard.Judge(Healthy(3), true).LookAgain);
    }

    [Fact]
    public void Judge_IllInstances_CountAsLost()
    {
        _guard.Judge(Healthy(2), false);
        var verdict = _guard.Judge([At(0, EndpointHealth.Unhealthy), At(1, EndpointHealth.Unhealthy)], true);

        Assert.Equal(2, verdict.Endpoints.Count(static e => e.Health == EndpointHealth.Healthy));
        Assert.Equal((2, 0), (verdict.Before, verdict.Now));
    }

    [Fact]
    public void Judge_AfterARestoredView_TheFirstAnswerIsMeasuredByIt()
    {
        _guard.Judge(Healthy(6), afterTrouble: false);

        Assert.Equal(6, _guard.Judge([], afterTrouble: true).Endpoints.Count);
    }

    [Fact]
    public void Judge_NoHold_BelievesAll()
    {
        var guard = new ShrinkGuard(TimeSpan.Zero, _time);
        guard.Judge(Healthy(6), false);

        Assert.Empty(guard.Judge([], true).Endpoints);
    }

    [Fact]
    public void Judge_AnyHistory_NeverFewerHealthyThanToldAndNeverForEver()
    {
        var step = Gen.Select(Gen.Int[0, 12].Array[0, 12], Gen.Bool, Gen.Int[0, 30_000]);
        step.Array[1, 40].Sample(steps =>
        {
            var time = new FakeTimeProvider();
            var guard = new ShrinkGuard(s_hold, time);
            var doubtedSince = (DateTimeOffset?)null;
            foreach (var (numbers, afterTrouble, pause) in steps)
            {
                Endpoint[] told = [.. numbers.Distinct().Select(static n => At(n, n % 3 == 0 ? EndpointHealth.Unhealthy : EndpointHealth.Healthy))];
                var verdict = guard.Judge(told, afterTrouble);
                Assert.True(Count(verdict.Endpoints) >= Count(told));
                Assert.Equal(verdict.Endpoints.Count, verdict.Endpoints.DistinctBy(static e => e.Address).Count());
                Assert.All(told.Where(static e => e.Health == EndpointHealth.Healthy), e => Assert.Contains(e, verdict.Endpoints));
                Assert.True(verdict.LookAgain is null || (verdict.LookAgain > TimeSpan.Zero && verdict.LookAgain <= s_hold));
                doubtedSince = verdict.LookAgain is null ? null : doubtedSince ?? time.GetUtcNow();
                Assert.True(doubtedSince is null || time.GetUtcNow() - doubtedSince < s_hold);
                Assert.Equal(doubtedSince is not null && verdict.IsNew, verdict.IsNew);
                if (verdict.LookAgain is null)
                {
                    Assert.Equal(told, verdict.Endpoints);
                }

                time.Advance(TimeSpan.FromMilliseconds(pause));
            }
        });

        static int Count(IReadOnlyList<Endpoint> endpoints) => endpoints.Count(static e => e.Health == EndpointHealth.Healthy);
    }

    private static Endpoint[] Healthy(int count) => [.. Enumerable.Range(0, count).Select(static n => At(n))];

    private static Endpoint At(int number, EndpointHealth health = EndpointHealth.Healthy, int weight = 1) =>
        new() { Address = new Uri($"http://10.0.0.{number}:80"), Health = health, Weight = weight };
}
