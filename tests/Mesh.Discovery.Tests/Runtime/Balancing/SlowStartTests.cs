using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime.Balancing;

namespace Mesh.Discovery.Tests.Runtime.Balancing;

public sealed class SlowStartTests
{
    private static readonly WarmupConfig s_warmup = new() { Duration = TimeSpan.FromSeconds(20) };

    private readonly BalanceFixture _mesh = new(new LoadBalancerConfig { Location = new SourceLocation("test"), Warmup = s_warmup });

    [Theory]
    [InlineData(0, 10, 1, 0.1)]
    [InlineData(1, 10, 1, 0.1)]
    [InlineData(5, 10, 1, 0.25)]
    [InlineData(5, 10, 2, 0.5)]
    [InlineData(5, 60, 1, 0.6)]
    [InlineData(20, 10, 1, 1)]
    public void Warmth_Age_IsEnvoysFormula(double seconds, double minimum, double aggression, double warmth) => Assert.Equal(
        warmth, SlowStart.Warmth(TimeSpan.FromSeconds(seconds), s_warmup with { MinimumPercent = minimum, Aggression = aggression }), 9);

    [Fact]
    public void View_AtTheStart_NobodyIsNew()
    {
        _mesh.With("eu/a eu/a");

        Assert.Null(_mesh.View.Balance);
        Assert.Equal(0, _mesh.Time.Timers);
    }

    [Fact]
    public void View_ANewcomer_GetsMoreInStepsUntilItIsWarm()
    {
        _mesh.With("eu/a eu/a").With("eu/a eu/a eu/a");

        var shares = new List<double>();
        while (_mesh.View.Balance is { } balance)
        {
            shares.Add(balance.Shares[2]);
            _mesh.Pass(1);
        }

        Assert.Equal(20, shares.Count);
        Assert.Equal(0.1 / 2.1, shares[0], 9);
        Assert.Equal(0.5 / 2.5, shares[10], 9);
        Assert.Equal(shares.Order(), shares);
        Assert.Equal(0, _mesh.Time.Timers);
        Assert.Equal(3, _mesh.View.Endpoints.Length);
    }

    [Fact]
    public void View_UnhealthyForItsCatalog_IsNewWhenItComesBack()
    {
        _mesh.With("eu/a eu/a").With("eu/a ?eu/a").With("eu/a eu/a");

        Assert.Equal(0.1 / 1.1, _mesh.View.Balance!.Shares[1], 9);
    }

    [Fact]
    public void View_ThereIsNoWarmupAnyMore_AllCountAtOnceAndTheTimerIsGone()
    {
        _mesh.With("eu/a").With("eu/a eu/a");
        Assert.Equal(1, _mesh.Time.Timers);

        _mesh.Use(null);

        Assert.Null(_mesh.View.Balance);
        Assert.Equal(0, _mesh.Time.Timers);
    }

    [Fact]
    public void View_ConsistentHash_KnowsNoNewcomers()
    {
        _mesh.Use(new LoadBalancerConfig
        {
            Location = new SourceLocation("test"),
            Warmup = s_warmup,
            ConsistentHash = new ConsistentHashConfig { UseSourceIp = true },
        });
        _mesh.With("eu/a").With("eu/a eu/a");

        Assert.Null(_mesh.View.Balance);
    }

    [Fact]
    public void Stop_WhileWarming_LeavesNoTimer()
    {
        _mesh.With("eu/a").With("eu/a eu/a");

        _mesh.Service.Stop();

        Assert.Equal(0, _mesh.Time.Timers);
    }
}
