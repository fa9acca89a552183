using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime.Balancing;

namespace Mesh.Discovery.Tests.Runtime.Balancing;

public sealed class LocalityViewTests
{
    private static readonly OutlierDetectionConfig s_outliers = new() { Consecutive5xxErrors = 1, MaxEjectionPercent = 100 };

    [Fact]
    public void View_NothingIsConfigured_AllAreUsedAndNothingIsWeighed()
    {
        var mesh = new BalanceFixture().With("eu/a/1 us/a/1");

        Assert.Equal("0 1", mesh.Used);
        Assert.Null(mesh.View.Balance);
        Assert.Null(mesh.View.Next);
    }

    [Theory]
    [InlineData(null, true, "0")]
    [InlineData(null, false, "0 1")]
    [InlineData(true, false, "0")]
    [InlineData(false, true, "0 1")]
    public void View_Enabled_DecidesWhetherNearOnesComeFirst(bool? enabled, bool detects, string used)
    {
        var mesh = new BalanceFixture(Locality(new LocalityLbConfig { Enabled = enabled }), detects ? s_outliers : null).With("eu/a/1 us/a/1");

        Assert.Equal(used, mesh.Used);
    }

    [Fact]
    public void View_OwnLocalityIsUnknown_AllAreUsed()
    {
        var mesh = new BalanceFixture(outliers: s_outliers, context: BalancingContext.Unknown).With("eu/a/1 us/a/1");

        Assert.Equal("0 1", mesh.Used);
    }

    [Fact]
    public void View_OwnLocalityFailsBitByBit_TrafficMovesOn()
    {
        var mesh = new BalanceFixture(outliers: s_outliers).With("eu/a/1 eu/a/1 eu/b/1 us/a/1");

        Assert.Equal("0 1", mesh.Used);
        Assert.Null(mesh.View.Balance!.Weights);
        Assert.Equal(["2", "3"], [BalanceFixture.Numbers(mesh.View.Next!), BalanceFixture.Numbers(mesh.View.Next!.Next!)]);

        mesh.Break(0);
        Assert.Equal("1 2", mesh.Used);
        Assert.Equal([0.7, 0.3], mesh.View.Balance!.Shares.Select(static share => Math.Round(share, 9)));

        mesh.Break(1);
        Assert.Equal("2", mesh.Used);

        mesh.Pass(31);
        Assert.Equal("0 1", mesh.Used);
    }

    [Fact]
    public void View_FewAreHealthyButAnotherPriorityIsWhole_DoesNotPanic()
    {
        var mesh = new BalanceFixture(outliers: s_outliers).With("eu/a/1 eu/a/1 eu/a/1 us/a/1").Break(0, 1, 2);

        Assert.Equal((false, "3"), (mesh.View.IsPanicking, mesh.Used));
    }

    [Fact]
    public void View_AllPrioritiesTogetherAreTooIll_PanicsAndUsesAll()
    {
        var mesh = new BalanceFixture(outliers: s_outliers).With("eu/a/1 eu/a/1 us/a/1 us/a/1 us/a/1 us/a/1").Break(0, 1, 2);

        Assert.False(mesh.View.IsPanicking);
        mesh.Break(3);
        Assert.Equal((true, "0 1 2 3 4 5"), (mesh.View.IsPanicking, mesh.Used));
    }

    [Fact]
    public void View_UnhealthyForItsCatalog_CountsAgainstItsPriority()
    {
        var mesh = new BalanceFixture(outliers: s_outliers).With("?eu/a/1 eu/a/1 us/a/1");

        Assert.Equal("1 2", mesh.Used);
        Assert.Equal(0.7, mesh.View.Balance!.Shares[0], 9);
    }

    [Fact]
    public void View_Distribute_LeavesOutWhatIsNotNamed()
    {
        var mesh = new BalanceFixture(Locality(new LocalityLbConfig
        {
            Distribute =
            [
                new("us", new Dictionary<string, int> { ["us/*"] = 100 }),
                new("eu/*", new Dictionary<string, int> { ["eu/*"] = 80, ["us"] = 20 }),
            ],
        })).With("eu/a/1 eu/b/1 us/a/1 asia/a/1");

        Assert.Equal("0 1 2", mesh.Used);
        Assert.Equal([0.4, 0.4, 0.2], mesh.View.Balance!.Shares.Select(static share => Math.Round(share, 9)));
        Assert.Null(mesh.View.Next);
    }

    [Fact]
    public void ForRetry_AllOfAPriorityWereTried_TheNextOneServes()
    {
        var mesh = new BalanceFixture(outliers: s_outliers).With("eu/a/1 us/a/1");
        var (own, other) = (mesh.Service.Endpoints[0], mesh.Service.Endpoints[1]);

        Assert.Same(mesh.View, mesh.View.ForRetry([]));
        Assert.Same(mesh.View.Next, mesh.View.ForRetry([own]));
        Assert.Same(mesh.View, mesh.View.ForRetry([own, other]));
    }

    [Fact]
    public void RenewForPeers_PeersChange_OnlyViewsThatUseThemAreRenewed()
    {
        var mesh = new BalanceFixture().With(string.Join(' ', Enumerable.Repeat("eu/a/1", 30)));
        var plain = mesh.View;
        mesh.Service.RenewForPeers();
        Assert.Same(plain, mesh.View);

        mesh.Use(new LoadBalancerConfig { Location = new SourceLocation("test"), Aperture = new ApertureConfig { Size = 5 } });
        var alone = mesh.View;
        Assert.InRange(alone.Endpoints.Length, 5, 6);
        Assert.True(mesh.Context.WantsPeers);
        Assert.True(mesh.Context.SetPeers([Candidates.At(0), Candidates.At(1)], "10.0.0.1:8080"));
        Assert.False(mesh.Context.SetPeers([Candidates.At(1), Candidates.At(0)], "10.0.0.1:8080"));
        mesh.Service.RenewForPeers();

        Assert.Equal(15, mesh.View.Endpoints.Length);
    }

    private static LoadBalancerConfig Locality(LocalityLbConfig config) =>
        new() { Location = new SourceLocation("test"), LocalityLbSetting = config };
}
