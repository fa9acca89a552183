using Mesh.Client.LoadBalancing;
using Mesh.Discovery.Runtime;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Client.Tests.LoadBalancing;

public sealed class PeakEwmaTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly EndpointState[] _endpoints = Balancers.Endpoints(1, 1);
    private readonly EndpointPicker _picker;

    public PeakEwmaTests() => _picker = Balancers.Picker("PEAK_EWMA", _endpoints, time: _time);

    [Fact]
    public void Defaults_ArePinned()
    {
        Assert.Equal(TimeSpan.FromSeconds(10), PeakEwma.Decay);
        Assert.Equal(TimeSpan.FromMilliseconds(30), PeakEwma.Initial);
        Assert.Equal(TimeSpan.FromSeconds(5), PeakEwmaLoadBalancingPolicy.FailurePenalty);
        Assert.Equal(TimeSpan.FromSeconds(60), PeakEwmaLoadBalancingPolicy.MaxFailurePenalty);
        Assert.True(_picker.MeasuresLatency);
    }

    [Fact]
    public void Add_HigherSample_ReplacesTheEstimateAtOnce()
    {
        var ewma = new PeakEwma();
        Assert.Equal(double.NaN, ewma.Seconds);
        ewma.Add(0.010, PeakEwma.At(_time.GetTimestamp(), _time));
        ewma.Add(0.500, PeakEwma.At(_time.GetTimestamp(), _time));

        Assert.Equal(0.5, ewma.Seconds, 1e-4);
    }

    [Fact]
    public void Add_LowerSampleLater_FindsTheEstimateDecayed()
    {
        var ewma = new PeakEwma();
        ewma.Add(1, PeakEwma.At(_time.GetTimestamp(), _time));
        _time.Advance(PeakEwma.Decay);
        ewma.Add(0.010, PeakEwma.At(_time.GetTimestamp(), _time));
        Assert.Equal(1 / Math.E, ewma.Seconds, 1e-4);

        _time.Advance(10 * PeakEwma.Decay);
        ewma.Add(0.010, PeakEwma.At(_time.GetTimestamp(), _time));
        Assert.Equal(0.010, ewma.Seconds, 1e-5);
    }

    [Fact]
    public void Pick_OneSlowSample_EndpointIsAvoidedUntilItHasDecayed()
    {
        Complete(_endpoints[0], 1000);
        Complete(_endpoints[1], 100);
        Assert.Equal(0, ShareOfFirst());

        // exp(-2) of a second is still above 100 ms, exp(-2.5) below it.
        _time.Advance(2 * PeakEwma.Decay);
        Complete(_endpoints[1], 100);
        Assert.Equal(0, ShareOfFirst());

        _time.Advance(0.5 * PeakEwma.Decay);
        Complete(_endpoints[1], 100);
        Assert.InRange(ShareOfFirst(), 0.45, 0.55);

        Complete(_endpoints[0], 50);
        Assert.InRange(ShareOfFirst(), 0.99, 1);
    }

    [Fact]
    public void Pick_RequestsInFlight_MultiplyTheEstimate()
    {
        Complete(_endpoints[0], 10);
        Complete(_endpoints[1], 35);
        _endpoints[0].Enter();
        _endpoints[0].Enter();
        Assert.Equal(1, ShareOfFirst());

        _endpoints[0].Enter();
        Assert.Equal(0, ShareOfFirst());
    }

    [Fact]
    public void Pick_ManyRequestsInFlight_StillCompares()
    {
        Complete(_endpoints[0], 10);
        Complete(_endpoints[1], 5000);
        for (var i = 0; i < 400; i++)
        {
            _endpoints[0].Enter();
        }

        Assert.Equal(1, ShareOfFirst());
        for (var i = 0; i < 200; i++)
        {
            _endpoints[0].Enter();
        }

        Assert.Equal(0, ShareOfFirst());
    }

    [Theory]
    [InlineData(1, 0.5)]
    [InlineData(29, 0.5)]
    [InlineData(31, 1)]
    public void Pick_FirstWithoutSamples_CountsAsAnythingUpTo30Ms(int otherMs, double share)
    {
        Complete(_endpoints[1], otherMs);

        Assert.Equal(share, ShareOfFirst(), 0.05);
    }

    [Fact]
    public void Pick_FirstWithoutSamplesIsBusy_OtherIsTaken()
    {
        Complete(_endpoints[1], 1);
        _endpoints[0].Enter();

        Assert.Equal(0, ShareOfFirst());
    }

    [Fact]
    public void OnCompleted_FastFailure_CountsAsFiveSeconds()
    {
        Complete(_endpoints[0], 0.1, failed: true);

        Assert.Equal(5, _endpoints[0].Latency.Seconds, 1e-3);
    }

    [Fact]
    public void OnCompleted_MoreFailures_DoubleUpToAMinute()
    {
        double[] expected = [5, 10, 20, 40, 60, 60];
        foreach (var seconds in expected)
        {
            Complete(_endpoints[0], 0.1, failed: true);

            Assert.Equal(seconds, _endpoints[0].Latency.Seconds, 1e-2);
        }
    }

    [Fact]
    public void OnCompleted_FailureOfAVerySlowEndpoint_KeepsItsEstimate()
    {
        Complete(_endpoints[0], 90_000);
        _time.Advance(PeakEwma.Decay);
        Complete(_endpoints[0], 0.1, failed: true);

        Assert.Equal(90, _endpoints[0].Latency.Seconds, 1e-2);
    }

    [Fact]
    public void OnCompleted_SlowFailure_CountsItsTime()
    {
        Complete(_endpoints[0], 7_000, failed: true);

        Assert.Equal(7, _endpoints[0].Latency.Seconds, 1e-3);
    }

    [Theory]
    [InlineData(10)]
    [InlineData(2_000)]
    public void Pick_OneEndpointFailsFast_IsNoMagnet(int serviceMs)
    {
        var endpoints = Balancers.Endpoints(1, 1, 1, 1, 1);

        var picked = new Simulation(endpoints, "PEAK_EWMA", seed: 7)
        {
            Fails = endpoint => endpoint == endpoints[0],
            ServiceTime = (_, _) => TimeSpan.FromMilliseconds(serviceMs),
        }.Run(callers: 8, requests: 20_000);

        // A fair share would be 4000. The slow service runs for hours, so there are more probes.
        Assert.InRange(picked.Count(endpoint => endpoint == endpoints[0]), 1, serviceMs == 10 ? 20 : 1_000);
    }

    [Fact]
    public void Pick_OneEndpointSlow_GetsLittle()
    {
        var endpoints = Balancers.Endpoints(1, 1, 1, 1, 1);

        var picked = new Simulation(endpoints, "PEAK_EWMA", seed: 7)
        {
            ServiceTime = (endpoint, random) =>
                TimeSpan.FromMilliseconds((endpoint == endpoints[0] ? 100 : 10) * (0.5 + random.NextDouble())),
        }.Run(callers: 4, requests: 20_000);

        Assert.InRange(picked.Count(endpoint => endpoint == endpoints[0]), 1, 200);
    }

    [Fact]
    public void CreatePicker_Again_EstimatesSurvive()
    {
        Complete(_endpoints[0], 1000);
        Complete(_endpoints[1], 10);

        var rebuilt = Balancers.Picker("PEAK_EWMA", _endpoints, time: _time);

        Assert.All(Enumerable.Range(0, 100), _ => Assert.Same(_endpoints[1], rebuilt.Pick()));
    }

    private void Complete(EndpointState endpoint, double milliseconds, bool failed = false) =>
        _picker.Completed(endpoint, TimeSpan.FromMilliseconds(milliseconds), failed, _time);

    private double ShareOfFirst() => Enumerable.Range(0, 1_000).Count(_ => _picker.Pick() == _endpoints[0]) / 1_000.0;
}
