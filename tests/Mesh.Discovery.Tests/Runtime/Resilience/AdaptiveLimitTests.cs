using Mesh.Discovery.Runtime.Resilience;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Discovery.Tests.Runtime.Resilience;

public sealed class AdaptiveLimitTests
{
    /// <summary>Twice and four times what can be served, for services of all sizes and more or less unlike requests.</summary>
    [Theory]
    [InlineData(4, 0.01, 0.5, 2, 0.1)]
    [InlineData(16, 0.01, 0.1, 2, 0.1)]
    [InlineData(16, 0.01, 1.0, 2, 0.1)]
    [InlineData(16, 0.01, 1.0, 4, 0.1)]
    [InlineData(200, 0.05, 0.5, 2, 0.25)]
    [InlineData(16, 1.0, 0.5, 2, 4)]
    public void Value_UnderOverload_KeepsTheServiceBusyAndQuick(int workers, double seconds, double sigma, double load, double timeout)
    {
        var capacity = workers / seconds;
        var simulation = new LimitSimulation
        {
            Workers = _ => workers, Seconds = _ => seconds, Sigma = sigma, Rate = capacity * load, Timeout = timeout,
        };
        simulation.Run(Math.Max(20, seconds * 200));

        simulation.Run(Math.Max(20, seconds * 300));

        Assert.True(simulation.Goodput >= 0.85 * capacity, $"goodput {simulation.Goodput} of {capacity}, limit {simulation.Limit.Value}");
        Assert.InRange(simulation.HighestLimit, workers, (workers * 3) + 16);
    }

    [Theory]
    [InlineData(16, 0.01, 1.0)]
    [InlineData(200, 0.05, 0.5)]
    [InlineData(8, 0.2, 1.0)]
    public void Value_NoOverloadButJitter_RefusesHardlyAny(int workers, double seconds, double sigma)
    {
        var simulation = new LimitSimulation
        {
            Workers = _ => workers, Seconds = _ => seconds, Sigma = sigma, Rate = workers / seconds * 0.7, Timeout = 100 * seconds,
        };
        simulation.Run(20);

        simulation.Run(60);

        Assert.True(simulation.RefusedShare < 0.02, $"{simulation.RefusedShare:P} refused, limit {simulation.Limit.Value}");
    }

    /// <summary>A dependency becomes ten times slower, with all the room that is wanted: nobody waits for anybody.</summary>
    [Fact]
    public void Value_RequestsThemselvesBecomeSlower_IsNotACollapse()
    {
        var simulation = new LimitSimulation
        {
            Workers = static _ => 100_000, Seconds = static now => now < 20 ? 0.01 : 0.1, Rate = 1500, Timeout = 2,
        };
        simulation.Run(30);

        simulation.Run(30);

        Assert.True(simulation.RefusedShare < 0.02, $"{simulation.RefusedShare:P} refused, limit {simulation.Limit.Value}");
    }

    [Fact]
    public void Value_ServiceLosesPlaces_FollowsAndComesBack()
    {
        var simulation = new LimitSimulation { Workers = static now => now is > 20 and < 60 ? 16 : 64, Rate = 4000 };
        simulation.Run(20);
        Assert.True(simulation.Goodput > 3000, $"goodput {simulation.Goodput} at first");

        simulation.Run(20);
        simulation.Run(20);
        Assert.True(simulation.Goodput > 0.9 * 1600, $"goodput {simulation.Goodput} with a quarter of the places");

        simulation.Run(10);
        simulation.Run(20);
        Assert.True(simulation.Goodput > 3400, $"goodput {simulation.Goodput} with all places again, limit {simulation.Limit.Value}");
    }

    /// <summary>A process that starts in the middle of an overload has never seen an unloaded request.</summary>
    [Fact]
    public void Baseline_StartUnderOverload_IsFoundByProbes()
    {
        var simulation = new LimitSimulation { Workers = static _ => 2, Rate = 800 };

        simulation.Run(60);

        Assert.InRange(simulation.Limit.Baseline.TotalMilliseconds, 7, 16);
        Assert.True(simulation.Limit.Value < 10, $"limit {simulation.Limit.Value}");
    }

    [Fact]
    public void Value_Shadow_TellsWhatItWouldBe()
    {
        var simulation = new LimitSimulation(new AdaptiveConcurrencyConfig { Mode = AdaptiveConcurrencyMode.Shadow })
        {
            Workers = static now => now < 10 ? 100 : 16, Rate = 1700,
        };

        simulation.Run(20);

        Assert.InRange(simulation.Limit.Value, 10, 60);
    }

    /// <summary>The limit is high when the overload comes, so all requests take as long as their callers wait, under any limit.</summary>
    [Theory]
    [InlineData(400)]
    [InlineData(150)]
    [InlineData(100)]
    public void Value_CallersGiveUp_FindsTheServiceAllTheSame(int limit)
    {
        var simulation = new LimitSimulation(new AdaptiveConcurrencyConfig { MinLimit = limit })
        {
            Seconds = static _ => 0.04, Sigma = 0.05, Timeout = 0.25, CallersLeave = true, Rate = 200,
        };
        simulation.Run(20);
        simulation.Rate = 800;
        simulation.Run(1);

        simulation.Limit.Settings = new AdaptiveConcurrencyConfig();
        simulation.Run(10);
        simulation.Run(20);

        Assert.True(simulation.Goodput > 0.85 * 400, $"goodput {simulation.Goodput}, limit {simulation.Limit.Value}, {simulation.Limit.Baseline}");
    }

    [Theory]
    [InlineData(1000, 1, 1000)]
    [InlineData(30, 30, 30)]
    [InlineData(5, 3, 5)]
    public void Value_Always_IsBetweenItsBounds(int max, int min, int highest)
    {
        var simulation = new LimitSimulation(new AdaptiveConcurrencyConfig { MinLimit = min, MaxLimit = max }) { Rate = 3200 };

        simulation.Run(30);

        Assert.InRange(simulation.LowestLimit, min, max);
        Assert.InRange(simulation.HighestLimit, min, highest);
    }

    [Fact]
    public void Value_FewRequests_StaysAsItIs()
    {
        var time = new FakeTimeProvider();
        var limit = new AdaptiveLimit(new AdaptiveConcurrencyConfig(), time, SystemRandomSource.Instance);

        for (var i = 1; i < 500; i++)
        {
            var start = time.GetTimestamp();
            time.Advance(TimeSpan.FromMilliseconds(i));
            limit.Record(start, time.GetTimestamp(), 1);
        }

        Assert.Equal(AdaptiveLimit.InitialLimit, limit.Value);
    }

    /// <summary>60 000 a second and more, within one window.</summary>
    [Fact]
    public void Record_MoreSamplesThanAWindowCanHold_EndsIt()
    {
        var time = new FakeTimeProvider();
        var limit = new AdaptiveLimit(
            new AdaptiveConcurrencyConfig { Window = TimeSpan.FromSeconds(10) }, time, SystemRandomSource.Instance);
        var start = time.GetTimestamp();
        time.Advance(TimeSpan.FromMilliseconds(20));

        for (var i = 0; i < 600_000; i++)
        {
            limit.Record(start, time.GetTimestamp(), 1);
        }

        Assert.Equal(20, limit.Latency.TotalMilliseconds, 0.1);
        time.Advance(TimeSpan.FromSeconds(10));
        limit.Record(time.GetTimestamp() - (time.TimestampFrequency / 50), time.GetTimestamp(), 1);
        Assert.Equal(20, limit.Latency.TotalMilliseconds, 0.1);
        Assert.Equal(20, limit.Baseline.TotalMilliseconds, 0.1);
    }

    [Fact]
    public async Task Record_ByManyThreads_LosesNothingThatMatters()
    {
        var limit = new AdaptiveLimit(
            new AdaptiveConcurrencyConfig { Window = TimeSpan.FromMilliseconds(10) }, TimeProvider.System, SystemRandomSource.Instance);
        var frequency = TimeProvider.System.TimestampFrequency;

        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 200_000; i++)
            {
                var now = TimeProvider.System.GetTimestamp();
                limit.Record(now - (frequency / 100), now, 4);
            }
        })));

        Assert.InRange(limit.Baseline.TotalMilliseconds, 9.9, 10.1);
        Assert.Equal(AdaptiveLimit.InitialLimit, limit.Value);
    }
}
