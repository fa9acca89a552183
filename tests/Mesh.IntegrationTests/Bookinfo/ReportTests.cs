using Bookinfo.Launcher;

namespace Mesh.IntegrationTests.Bookinfo;

public sealed class ReportTests
{
    private static readonly TimeSpan s_took = TimeSpan.FromMicroseconds(100);

    [Fact]
    public void Json_OfTwoPages_HasCallsPerServiceAndVersion()
    {
        var statistics = new CallStatistics();
        statistics.Record(
            [new("productpage", "v1"), new("details", "v1", 0.1), new("reviews", "v1", 0.2)],
            s_took,
            null);
        statistics.Record(
            [new("productpage", "v1"), new("details", "v1", 0.1), new("reviews", "v2", 0.2), new("ratings", "v1", 0.1)],
            s_took,
            null);

        Assert.Equal(
            """{"requests":2,"failures":0,"p50_us":100,"p99_us":100,"calls":{"productpage":{"v1":2},"""
            + """ "details":{"v1":2},"ratings":{"v1":1},"reviews":{"v1":1,"v2":1}}}""".TrimStart(),
            Report.Json(statistics));
    }

    [Fact]
    public void Json_OfPageThatNobodyAnswered_CountsTheFailureAndNoVersion()
    {
        var statistics = new CallStatistics();
        statistics.Record([], s_took, "nobody there");

        Assert.Equal("""{"requests":1,"failures":1,"p50_us":100,"p99_us":100,"calls":{}}""", Report.Json(statistics));
        Assert.Equal([new("nobody there", 1)], statistics.Reasons);
    }

    [Fact]
    public void Json_OfNoPages_IsZeros()
    {
        Assert.Equal(
            """{"requests":0,"failures":0,"p50_us":0,"p99_us":0,"calls":{}}""",
            Report.Json(new CallStatistics()));
    }

    [Fact]
    public void Line_OfPartOfTheRun_HasItsOwnShares()
    {
        var statistics = new CallStatistics();
        statistics.Record([new("productpage", "v1"), new("reviews", "v1", 0.1)], s_took, null);
        var earlier = statistics.Copy();
        statistics.Record([new("productpage", "v1"), new("reviews", "v2", 0.1)], s_took, null);

        Assert.Equal(
            "1 pages, 0 failed, p50 0.1 ms, p99 0.1 ms; reviews v2 100.0 %",
            Report.Line(statistics.Since(earlier)));
    }

    [Fact]
    public void Reasons_OfManyKinds_AreTheFirstFew()
    {
        var statistics = new CallStatistics();
        for (var kind = 0; kind < 20; kind++)
        {
            statistics.Record([], s_took, $"reason {kind}");
        }

        Assert.Equal(5, statistics.Reasons.Count());
        Assert.Equal(20, statistics.Failures);
    }
}
