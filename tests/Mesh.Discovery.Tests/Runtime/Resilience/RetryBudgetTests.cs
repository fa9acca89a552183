using CsCheck;
using Mesh.Discovery.Runtime.Resilience;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Discovery.Tests.Runtime.Resilience;

public class RetryBudgetTests
{
    private readonly FakeTimeProvider _time = new();

    private long Now => _time.GetTimestamp();

    [Theory]
    [InlineData(1000, 1.19, 1.25)]
    [InlineData(200, 1.2, 1.26)]
    public void TryRetry_EverythingFailsAndIsRetriedTwice_LoadGrowsByAFifth(int perSecond, double atLeast, double atMost)
    {
        var budget = Budget();
        int offered = 0, attempts = 0;
        for (var i = 0; i < perSecond * 60; i++)
        {
            budget.Deposit(Now);
            offered++;
            attempts++;
            for (var retry = 0; retry < 2 && budget.TryRetry(Now, null, retry > 0, true, out _, out _) is null; retry++)
            {
                attempts++;
            }

            _time.Advance(TimeSpan.FromSeconds(1.0 / perSecond));
        }

        Assert.InRange((double)attempts / offered, atLeast, atMost);
    }

    [Fact]
    public void TryRetry_FewRequests_TenASecondAreAlwaysPossible()
    {
        var budget = Budget();
        var retries = 0;
        for (var second = 0; second < 60; second++)
        {
            while (budget.TryRetry(Now, null, false, true, out _, out _) is null)
            {
                retries++;
            }

            _time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.InRange(retries, 600, 700);
    }

    [Fact]
    public void TryRetry_AfterALongQuietTime_OldRequestsDoNotCount()
    {
        var budget = Budget(new RetryBudgetConfig { MinRetriesPerSecond = 0 });
        for (var i = 0; i < 100; i++)
        {
            budget.Deposit(Now);
        }

        Assert.Equal(20, budget.Balance(Now));
        _time.Advance(TimeSpan.FromSeconds(8));
        Assert.Equal(20, budget.Balance(Now));
        _time.Advance(TimeSpan.FromSeconds(3));

        Assert.Equal(0, budget.Balance(Now));
        Assert.Equal("RetryBudget", budget.TryRetry(Now, null, false, true, out _, out var tell));
        Assert.True(tell);
        Assert.Equal("RetryBudget", budget.TryRetry(Now, null, false, true, out _, out tell));
        Assert.False(tell);
        Assert.Equal(2, budget.Refused);
    }

    [Fact]
    public void TryRetry_FloorOfConcurrency_HoldsWithoutRequests()
    {
        var budget = Budget(new RetryBudgetConfig { MinRetriesPerSecond = 0, MinRetryConcurrency = 2 });

        Assert.Null(budget.TryRetry(Now, null, false, true, out _, out _));
        Assert.Null(budget.TryRetry(Now, null, false, true, out _, out _));
        Assert.Equal("RetryBudget", budget.TryRetry(Now, null, false, true, out _, out _));
        Assert.Null(budget.TryRetry(Now, null, true, true, out _, out _));
        Assert.Equal(2, budget.Active);

        budget.EndRetry();
        Assert.Null(budget.TryRetry(Now, null, false, true, out _, out _));
    }

    [Fact]
    public void TryRetry_MaxRetriesUnderWay_IsRefusedWhateverTheBudgetSays()
    {
        var budget = Budget();

        Assert.Null(budget.TryRetry(Now, 1, false, true, out _, out _));
        Assert.Equal("MaxRetries", budget.TryRetry(Now, 1, false, true, out _, out _));
        Assert.Null(budget.TryRetry(Now, 1, true, true, out _, out _));
        budget.EndRetry();
        Assert.Null(budget.TryRetry(Now, 1, false, true, out _, out _));
    }

    [Fact]
    public void TryRetry_NothingWasSent_IsBesideTheBudgetWhileItHelps()
    {
        var budget = Budget(new RetryBudgetConfig { Percent = 0, MinRetriesPerSecond = 0 });
        for (var i = 0; i < 1000; i++)
        {
            Assert.Null(budget.TryRetry(Now, null, false, false, out var isResend, out _));
            Assert.True(isResend);
            budget.EndRetry();
        }

        _time.Advance(TimeSpan.FromMinutes(1));
        var granted = 0;
        while (budget.TryRetry(Now, null, false, false, out _, out _) is null)
        {
            budget.ResendLost();
            granted++;
        }

        Assert.InRange(granted, 10, 15);
        Assert.Equal("RetryBudget", budget.TryRetry(Now, null, false, true, out _, out _));
    }

    [Fact]
    public void AnyHistory_RetriesOfAWindow_StayWithinItsShare() => Gen.Int[0, 30].Select(Gen.Int[0, 30], Gen.Int[0, 3000]).Array[1, 100].Sample(
        static steps =>
        {
            var time = new FakeTimeProvider();
            var settings = new RetryBudgetConfig { MinRetriesPerSecond = 1 };
            var budget = new RetryBudget(time, settings, time.GetTimestamp());
            var requests = new List<long>();
            var retries = new List<long>();
            foreach (var (some, wanted, pause) in steps)
            {
                for (var i = 0; i < some; i++)
                {
                    budget.Deposit(time.GetTimestamp());
                    requests.Add(time.GetTimestamp());
                }

                for (var i = 0; i < wanted && budget.TryRetry(time.GetTimestamp(), null, false, true, out _, out _) is null; i++)
                {
                    retries.Add(time.GetTimestamp());
                }

                // As of the last one that was granted; over the nine tenths that the window is at least.
                if (retries.Count == 0 || retries[^1] != time.GetTimestamp())
                {
                    time.Advance(TimeSpan.FromMilliseconds(pause));
                    continue;
                }

                var from = time.GetTimestamp() - (long)(9 * time.TimestampFrequency);
                var to = time.GetTimestamp() - (long)(10 * time.TimestampFrequency);
                Assert.True(retries.Count(at => at > from) <= (0.2 * requests.Count(at => at >= to)) + 10);
                time.Advance(TimeSpan.FromMilliseconds(pause));
            }
        },
        iter: 300);

    private RetryBudget Budget(RetryBudgetConfig? settings = null) => new(_time, settings ?? new RetryBudgetConfig(), Now);
}
