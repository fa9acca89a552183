using Bookinfo.Launcher;

namespace Mesh.IntegrationTests.Bookinfo;

public sealed class LatencyHistogramTests
{
    [Fact]
    public void Percentile_OfNothing_IsZero() => Assert.Equal(0, new LatencyHistogram().Percentile(0.99));

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(127)]
    public void Percentile_OfSmallValue_IsExact(long microseconds)
    {
        Assert.Equal(microseconds, Recorded(microseconds).Percentile(0.5));
    }

    [Theory]
    [InlineData(128)]
    [InlineData(1_000)]
    [InlineData(65_535)]
    [InlineData(65_536)]
    [InlineData(123_456_789)]
    public void Percentile_OfLargeValue_IsWithinOnePercent(long microseconds)
    {
        var percentile = Recorded(microseconds).Percentile(0.5);

        Assert.InRange(percentile, microseconds * 0.99, microseconds * 1.01);
    }

    [Fact]
    public void Percentile_OfOneToHundred_IsTheRank()
    {
        var histogram = Recorded([.. Enumerable.Range(1, 100).Select(static value => (long)value)]);

        Assert.Equal(50, histogram.Percentile(0.50));
        Assert.Equal(99, histogram.Percentile(0.99));
        Assert.Equal(100, histogram.Percentile(1));
    }

    [Fact]
    public void Record_OfAbsurdValues_DoesNotThrow()
    {
        var histogram = new LatencyHistogram();

        histogram.Record(TimeSpan.MaxValue);
        histogram.Record(TimeSpan.FromSeconds(-1));

        Assert.Equal(0, histogram.Percentile(0.5));
    }

    [Fact]
    public void Since_EarlierCopy_HoldsOnlyWhatCameLater()
    {
        var histogram = Recorded(10, 10, 10);
        var earlier = histogram.Copy();
        histogram.Record(TimeSpan.FromMicroseconds(90));

        Assert.Equal(90, histogram.Since(earlier).Percentile(0.01));
    }

    private static LatencyHistogram Recorded(params long[] microseconds)
    {
        var histogram = new LatencyHistogram();
        foreach (var value in microseconds)
        {
            histogram.Record(TimeSpan.FromMicroseconds(value));
        }

        return histogram;
    }
}
