using Mesh.Client.Pipeline;

namespace Mesh.Client.Tests.Pipeline;

public sealed class DeadlineHeadersTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("1500", 1500)]
    [InlineData(" 250\t", 250)]
    [InlineData("900, 300,500", 300)]
    [InlineData("x,300", 300)]
    [InlineData("0000000000000000000000012", 12)]
    public void ParseMilliseconds_Number_IsIt(string value, int expected) =>
        Assert.Equal(TimeSpan.FromMilliseconds(expected), DeadlineHeaders.ParseMilliseconds(value));

    [Theory]
    [InlineData("")]
    [InlineData(",")]
    [InlineData("-1")]
    [InlineData("+1")]
    [InlineData("1.5")]
    [InlineData("1e3")]
    [InlineData("0x10")]
    [InlineData("１")]
    [InlineData("1000000000001")]
    [InlineData("9223372036854775807")]
    [InlineData("9223372036854775808")]
    [InlineData("99999999999999999999999999999999999999")]
    public void ParseMilliseconds_AnythingElse_IsIgnored(string value) => Assert.Null(DeadlineHeaders.ParseMilliseconds(value));

    [Theory]
    [InlineData("1H", 36_000_000_000)]
    [InlineData("2M", 1_200_000_000)]
    [InlineData("3S", 30_000_000)]
    [InlineData("4m", 40_000)]
    [InlineData("5u", 50)]
    [InlineData("650n", 6)]
    [InlineData("99n", 0)]
    [InlineData("0S", 0)]
    [InlineData("99999999H", 3_599_999_964_000_000_000)]
    [InlineData("1S,5m", 50_000)]
    public void ParseGrpc_ValueAndUnit_IsIt(string value, long ticks) =>
        Assert.Equal(TimeSpan.FromTicks(ticks), DeadlineHeaders.ParseGrpc(value));

    [Theory]
    [InlineData("")]
    [InlineData("S")]
    [InlineData("1")]
    [InlineData("1s")]
    [InlineData("1 S")]
    [InlineData("-1S")]
    [InlineData("1.5S")]
    [InlineData("100000000n")]
    [InlineData("1Sm")]
    public void ParseGrpc_AnythingElse_IsIgnored(string value) => Assert.Null(DeadlineHeaders.ParseGrpc(value));

    [Theory]
    [InlineData(0, "1")]
    [InlineData(-5, "1")]
    [InlineData(0.9, "1")]
    [InlineData(1.99, "1")]
    [InlineData(999.9, "999")]
    [InlineData(30_000, "30000")]
    [InlineData(12_345.6, "12345")]
    [InlineData(9e14, "1000000000000")]
    public void FormatMilliseconds_Time_IsRoundedDown(double milliseconds, string expected) =>
        Assert.Equal(expected, DeadlineHeaders.FormatMilliseconds(TimeSpan.FromMilliseconds(milliseconds)));

    [Fact]
    public void FormatGrpc_AnyTime_IsNeverMoreAndAtMostEightDigits()
    {
        var random = new Random(7);
        for (var i = 0; i < 10_000; i++)
        {
            var time = TimeSpan.FromTicks((long)Math.Exp(random.NextDouble() * Math.Log(TimeSpan.MaxValue.Ticks)));

            var text = DeadlineHeaders.FormatGrpc(time);

            Assert.InRange(text.Length, 2, 9);
            var read = DeadlineHeaders.ParseGrpc(text);
            Assert.NotNull(read);
            Assert.True(read <= time, $"{time} became {text}");
            Assert.True(time.Ticks < 10 || read >= Max(time * 0.5), $"{time} became {text}");
        }

        static TimeSpan Max(TimeSpan least) => least > TimeSpan.FromHours(99_999_999) ? TimeSpan.FromHours(99_999_999) : least;
    }

    [Theory]
    [InlineData(-1, "0n")]
    [InlineData(30_000, "30000m")]
    [InlineData(0.25, "250u")]
    [InlineData(99_999_999, "99999999m")]
    [InlineData(100_000_000, "100000S")]
    public void FormatGrpc_Time_IsInItsUnit(double milliseconds, string expected) =>
        Assert.Equal(expected, DeadlineHeaders.FormatGrpc(TimeSpan.FromMilliseconds(milliseconds)));

    [Theory]
    [InlineData(1)]
    [InlineData(873)]
    [InlineData(30_000)]
    [InlineData(99_900)]
    public void Format_CommonTime_AllocatesNothing(int milliseconds)
    {
        var time = TimeSpan.FromMilliseconds(milliseconds);

        Assert.Same(DeadlineHeaders.FormatMilliseconds(time), DeadlineHeaders.FormatMilliseconds(time));
        Assert.Equal(milliseconds > 10, ReferenceEquals(DeadlineHeaders.FormatGrpc(time), DeadlineHeaders.FormatGrpc(time)));
    }

    [Theory]
    [InlineData("critical", RequestPriority.Critical)]
    [InlineData(" Sheddable ", RequestPriority.Sheddable)]
    [InlineData("default", RequestPriority.Default)]
    [InlineData("", RequestPriority.Default)]
    [InlineData("criticalcritical", RequestPriority.Default)]
    public void Parse_Priority_IsItOrDefault(string value, RequestPriority expected) => Assert.Equal(expected, PriorityHeader.Parse(value));

    [Theory]
    [InlineData(RequestPriority.Critical)]
    [InlineData(RequestPriority.Default)]
    [InlineData(RequestPriority.Sheddable)]
    public void Format_Priority_IsReadBack(RequestPriority priority) =>
        Assert.Equal(priority, PriorityHeader.Parse(PriorityHeader.Format(priority)));
}
