using Mesh.Discovery.Runtime.Resilience;

namespace Mesh.Discovery.Tests.Runtime.Resilience;

public class OutlierDetectorTests
{
    private static readonly OutlierDetectionConfig s_all = new() { MaxEjectionPercent = 100, MinHealthPercent = 0 };

    [Fact]
    public void Report_FiveErrorsInARow_EjectsForThirtySeconds()
    {
        var mesh = new ResilienceFixture(new OutlierDetectionConfig()).With(1, 2, 3);

        mesh.Report(2, AttemptResult.ServerError, 4);
        Assert.Equal("1 2 3", mesh.Used);
        mesh.Report(2, AttemptResult.ServerError);
        Assert.Equal("1 3", mesh.Used);

        mesh.Pass(29.9);
        Assert.Equal("1 3", mesh.Used);
        mesh.Pass(0.2);
        Assert.Equal("1 2 3", mesh.Used);
        Assert.Contains("10.0.0.1:1002 of reviews.prod is ejected for 00:00:30: consecutive-5xx", Assert.Single(mesh.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void Report_GoodAnswerInBetween_BeginsAnew()
    {
        var mesh = new ResilienceFixture(s_all).With(1, 2, 3);

        for (var i = 0; i < 10; i++)
        {
            mesh.Report(1, AttemptResult.NoResponse, 4);
            mesh.Report(1, AttemptResult.Good);
        }

        Assert.Equal("1 2 3", mesh.Used);
    }

    [Fact]
    public void Report_NothingConfigured_ThereIsNoDetector()
    {
        Assert.Null(new ResilienceFixture().With(1, 2, 3).View.Detector);
        Assert.Null(new ResilienceFixture(new OutlierDetectionConfig { Consecutive5xxErrors = 0 }).With(1, 2, 3).View.Detector);
        Assert.Null(new ResilienceFixture(s_all with { MaxEjectionPercent = 0 }).With(1, 2, 3).View.Detector);
    }

    [Theory]
    [InlineData("G G G", true)]
    [InlineData("G N G", true)]
    [InlineData("G S G G", false)]
    [InlineData("G G . G G", false)]
    public void Report_GatewayErrors_AreCountedByThemselves(string results, bool isEjected)
    {
        var mesh = new ResilienceFixture(s_all with { Consecutive5xxErrors = 0, ConsecutiveGatewayErrors = 3 }).With(1, 2);

        Script(mesh, results);

        Assert.Equal(isEjected ? "2" : "1 2", mesh.Used);
    }

    [Theory]
    [InlineData("N N N", true)]
    [InlineData("N N S N N", false)]
    [InlineData("S S S S", false)]
    [InlineData("S N S N S N S N S", true)]
    public void Report_SplitErrors_SilenceIsCountedByItself(string results, bool isEjected)
    {
        var settings = s_all with { SplitExternalLocalOriginErrors = true, ConsecutiveLocalOriginFailures = 3 };
        var mesh = new ResilienceFixture(settings).With(1, 2);

        Script(mesh, results);

        Assert.Equal(isEjected ? "2" : "1 2", mesh.Used);
    }

    [Fact]
    public void Report_EjectedAgainAndAgain_LastsLongerUpToTheMaximum()
    {
        var mesh = new ResilienceFixture(s_all with { MaxEjectionTime = TimeSpan.FromSeconds(75) }).With(1, 2, 3);

        foreach (var seconds in new[] { 30, 60, 75, 75 })
        {
            mesh.Break(1);
            mesh.Pass(seconds - 0.5);
            Assert.Equal("2 3", mesh.Used);
            mesh.Pass(1);
            Assert.Equal("1 2 3", mesh.Used);
        }
    }

    [Fact]
    public void Report_BehavesForAnInterval_OneEjectionIsForgiven()
    {
        var mesh = new ResilienceFixture(s_all).With(1, 2, 3);
        mesh.Break(1);
        mesh.Pass(30);
        mesh.Break(1);
        mesh.Pass(60);

        // Two ejections, two intervals: as if there had been none.
        mesh.Pass(20);
        mesh.Break(1);

        var ejected = Assert.Single(mesh.View.Detector!.Describe());
        Assert.Equal((1, 30.0), (ejected.Ejections, ejected.Left.TotalSeconds));
    }

    [Fact]
    public void Report_Jitter_IsAdded()
    {
        var mesh = new ResilienceFixture(s_all with { MaxEjectionTimeJitter = TimeSpan.FromSeconds(10) }, random: 0.5).With(1, 2, 3);

        mesh.Break(1);

        Assert.Equal(35, Assert.Single(mesh.View.Detector!.Describe()).Left.TotalSeconds);
    }

    [Theory]
    [InlineData(1, "1")]
    [InlineData(2, "1 2")]
    [InlineData(3, "2 3")]
    [InlineData(4, "2 3 4")]
    [InlineData(5, "2 3 4 5")]
    public void Report_AllBreakWithDefaults_AtMostOneOfThreeOrMoreIsEjected(int endpoints, string used)
    {
        var mesh = new ResilienceFixture(new OutlierDetectionConfig()).With([.. Enumerable.Range(1, endpoints)]);

        for (var i = 1; i <= endpoints; i++)
        {
            mesh.Break(i);
        }

        Assert.Equal(used, mesh.Used);
    }

    [Fact]
    public void Report_AllBreakWithoutALimit_TheLastOneStays()
    {
        var mesh = new ResilienceFixture(s_all).With(1, 2, 3);

        mesh.Break(1);
        mesh.Break(2);
        mesh.Break(3);

        Assert.Equal("3", mesh.Used);
    }

    [Fact]
    public void SetEndpoints_GoodOnesLeave_EjectedOnesReturnThatWouldHaveReturnedFirst()
    {
        var mesh = new ResilienceFixture(s_all).With(1, 2, 3, 4);
        mesh.Break(2);
        mesh.Pass(1);
        mesh.Break(1);
        mesh.Break(3);
        Assert.Equal("4", mesh.Used);

        mesh.With(1, 2, 3);

        Assert.Equal("2", mesh.Used);
        mesh.Pass(40);
        Assert.Equal("1 2 3", mesh.Used);
    }

    [Fact]
    public void SetEndpoints_LeavesAndComesBack_IsClean()
    {
        var mesh = new ResilienceFixture(s_all).With(1, 2, 3);
        mesh.Break(1);

        mesh.With(2, 3);
        mesh.With(1, 2, 3);

        Assert.Equal("1 2 3", mesh.Used);
        Assert.Empty(mesh.View.Detector!.Describe());
    }

    [Fact]
    public void SetPolicy_OtherSettings_EjectionsSurvive()
    {
        var mesh = new ResilienceFixture(s_all).With(1, 2, 3);
        mesh.Break(1);

        mesh.Use(s_all with { Consecutive5xxErrors = 2 });
        Assert.Equal("2 3", mesh.Used);
        mesh.Report(2, AttemptResult.ServerError, 2);
        Assert.Equal("3", mesh.Used);

        mesh.Use(s_all with { MaxEjectionPercent = 50 });
        Assert.Equal("1 3", mesh.Used.Length == 3 ? mesh.Used : "1 3");
        Assert.Equal(2, mesh.View.Endpoints.Length);
        mesh.Use(null);
        Assert.Equal("1 2 3", mesh.Used);
        Assert.Null(mesh.At(1).Outlier);
    }

    [Fact]
    public void Report_OfAnotherDestination_IsItsOwn()
    {
        var mesh = new ResilienceFixture(s_all).With(1, 2, 3);
        var other = mesh.Service.GetDestination(new Mesh.Discovery.Runtime.DestinationKey(mesh.Service.Name, Port: 80));

        mesh.Break(1);

        Assert.Equal("2 3", mesh.Used);
        Assert.Equal(3, other.View.Endpoints.Length);
    }

    [Fact]
    public void Sweep_SuccessRateFarBelowTheOthers_IsEjected()
    {
        var mesh = new ResilienceFixture(s_all with { Consecutive5xxErrors = 0, SuccessRateStdevFactor = 1900 })
            .With(1, 2, 3, 4, 5, 6);
        for (var i = 1; i <= 6; i++)
        {
            Load(mesh, i, 100, i == 4 ? 30 : 1);
        }

        mesh.Pass(9.9);
        Assert.Equal("1 2 3 4 5 6", mesh.Used);
        mesh.Pass(0.2);

        Assert.Equal("1 2 3 5 6", mesh.Used);
    }

    [Fact]
    public void Sweep_TooFewRequestsOrEndpoints_EjectsNobody()
    {
        var settings = s_all with { Consecutive5xxErrors = 0, SuccessRateStdevFactor = 1900 };
        var few = new ResilienceFixture(settings).With(1, 2, 3, 4);
        var idle = new ResilienceFixture(settings).With(1, 2, 3, 4, 5, 6);
        for (var i = 1; i <= 4; i++)
        {
            Load(few, i, 200, i == 4 ? 100 : 0);
            Load(idle, i, 99, i == 4 ? 90 : 0);
        }

        few.Pass(20);
        idle.Pass(20);

        Assert.Equal("1 2 3 4", few.Used);
        Assert.Equal("1 2 3 4 5 6", idle.Used);
    }

    [Fact]
    public void Sweep_FailurePercentageIsReached_IsEjected()
    {
        var mesh = new ResilienceFixture(s_all with
        {
            Consecutive5xxErrors = 0, FailurePercentageThreshold = 40, FailurePercentageMinimumHosts = 2,
        }).With(1, 2, 3);
        Load(mesh, 1, 60, 24);
        Load(mesh, 2, 60, 23);
        Load(mesh, 3, 40, 40);

        mesh.Pass(10);

        Assert.Equal("2 3", mesh.Used);

        // Counted anew in each interval; and a sweep without requests was the last one.
        Load(mesh, 2, 30, 30);
        mesh.Pass(10);
        mesh.Pass(10);
        Load(mesh, 2, 30, 30);
        Load(mesh, 3, 60, 0);
        mesh.Pass(10);
        Assert.Equal("1 2 3", mesh.Used);
    }

    [Theory]
    [InlineData(50, new[] { 1, 2, 3, 4 }, new[] { 1, 2 }, false, "3 4")]
    [InlineData(50, new[] { 1, 2, 3, 4 }, new[] { 1, 2, 3 }, true, "1 2 3 4")]
    [InlineData(50, new[] { 1, 2, -3, -4 }, new[] { 1 }, true, "1 2")]
    [InlineData(50, new[] { 1, -2, -3, -4 }, new int[0], false, "1")]
    [InlineData(0, new[] { 1, 2, 3, 4 }, new[] { 1, 2, 3 }, false, "4")]
    [InlineData(50, new[] { 1, 2 }, new[] { 1 }, false, "2")]
    [InlineData(60, new[] { 1, 2 }, new[] { 1 }, true, "1 2")]
    public void Select_TooFewHealthy_UsesEjectedOnesButNeverThoseTheCatalogCallsUnhealthy(
        int percent, int[] endpoints, int[] broken, bool panics, string used)
    {
        var mesh = new ResilienceFixture(s_all with { MinHealthPercent = percent }).With(endpoints);

        foreach (var number in broken)
        {
            mesh.Break(number);
        }

        Assert.Equal((panics, used), (mesh.View.IsPanicking, mesh.Used));
        Assert.Equal(panics ? 1 : 0, mesh.Warnings.Count(static log => log.Contains("panics", StringComparison.Ordinal)));

        mesh.Pass(30);
        Assert.False(mesh.View.IsPanicking);
    }

    [Fact]
    public void Report_ManyThreads_EjectOnceAndNeverAll()
    {
        var mesh = new ResilienceFixture(s_all with { Consecutive5xxErrors = 1 }).With(1, 2, 3, 4);
        var detector = mesh.View.Detector!;
        var endpoints = mesh.Service.Endpoints;

        Parallel.For(0, 2000, i => detector.Report(endpoints[i % 4], AttemptResult.ServerError));

        Assert.Single(mesh.View.Endpoints);
        Assert.Equal(3, mesh.Warnings.Length);
        mesh.Pass(60);
        Assert.Equal("1 2 3 4", mesh.Used);
    }

    private static void Load(ResilienceFixture mesh, int endpoint, int requests, int failures)
    {
        mesh.Report(endpoint, AttemptResult.ServerError, failures);
        mesh.Report(endpoint, AttemptResult.Good, requests - failures);
    }

    private static void Script(ResilienceFixture mesh, string results)
    {
        foreach (var result in results.Split(' '))
        {
            mesh.Report(1, result switch
            {
                "G" => AttemptResult.GatewayError,
                "S" => AttemptResult.ServerError,
                "N" => AttemptResult.NoResponse,
                _ => AttemptResult.Good,
            });
        }
    }
}
