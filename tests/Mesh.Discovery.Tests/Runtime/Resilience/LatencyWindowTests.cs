using CsCheck;
using Mesh.Discovery.Runtime.Resilience;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Discovery.Tests.Runtime.Resilience;

public sealed class LatencyWindowTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Percentile_TooFewSamples_IsUnknown()
    {
        var window = new LatencyWindow(_time);
        for (var i = 1; i < LatencyWindow.MinSamples; i++)
        {
            window.Record(TimeSpan.FromMilliseconds(1));
        }

        Assert.Null(window.Percentile(50));
    }

    [Fact]
    public void Percentile_AnySamples_IsAtMostOneBucketAbove() =>
        Gen.Select(Gen.Int[0, 2_000_000_000].Array[100, 400], Gen.Double[50, 99.9]).Sample((samples, percent) =>
        {
            var window = new LatencyWindow(_time);
            foreach (var microseconds in samples)
            {
                window.Record(TimeSpan.FromMicroseconds(microseconds));
            }

            Array.Sort(samples);
            var exact = samples[(int)Math.Ceiling(samples.Length * percent / 100) - 1];
            var found = window.Percentile(percent)!.Value.TotalMicroseconds;
            Assert.InRange(found, exact, (exact * 1.07) + 1);
        });

    [Fact]
    public void Percentile_AfterTwoHalves_HasForgotten()
    {
        var window = new LatencyWindow(_time);
        foreach (var milliseconds in new[] { 1000, 10, 10 })
        {
            for (var i = 0; i < 200; i++)
            {
                window.Record(TimeSpan.FromMilliseconds(milliseconds));
            }

            _time.Advance(LatencyWindow.HalfLength);
        }

        for (var i = 0; i < 200; i++)
        {
            window.Record(TimeSpan.FromMilliseconds(10));
        }

        Assert.InRange(window.Percentile(99)!.Value.TotalMilliseconds, 10, 11);
    }

    [Fact]
    public void Percentile_CalledSeldom_KeepsWhatThereIs()
    {
        var window = new LatencyWindow(_time);
        for (var i = 0; i < 150; i++)
        {
            window.Record(TimeSpan.FromMilliseconds(10));
        }

        _time.Advance(TimeSpan.FromHours(1));
        window.Record(TimeSpan.FromMilliseconds(10));
        _time.Advance(TimeSpan.FromHours(1));
        window.Record(TimeSpan.FromMilliseconds(10));

        Assert.NotNull(window.Percentile(95));
    }

    [Fact]
    public void Hedges_AnyCourse_NeverExceedTheirShare() =>
        Gen.Select(Gen.Bool.Array[1, 2000], Gen.Double[0, 100]).Sample((wants, percent) =>
        {
            var state = new HedgeState(_time);
            var sent = 0;
            for (var i = 0; i < wants.Length; i++)
            {
                state.Deposit(percent);
                sent += wants[i] && state.TryTake() ? 1 : 0;
                Assert.True(sent <= ((i + 1) * percent / 100) + 0.001);
            }

            Assert.Equal(sent, state.Sent);
        });
}
