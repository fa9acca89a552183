using Mesh.Discovery.Rules.Reading;

namespace Mesh.Discovery.Tests.Rules.Reading;

public sealed class DurationTextTests
{
    [Theory]
    [InlineData("2s", 2000)]
    [InlineData("500ms", 500)]
    [InlineData("1m30s", 90_000)]
    [InlineData("1.5h", 5_400_000)]
    [InlineData("0.25s", 250)]
    [InlineData("1500us", 1.5)]
    [InlineData("1500µs", 1.5)]
    [InlineData("2000000ns", 2)]
    [InlineData("00:00:02", 2000)]
    [InlineData("00:00:00.5", 500)]
    [InlineData("0", 0)]
    [InlineData("0s", 0)]
    [InlineData(" 2s ", 2000)]
    [InlineData("576h", 2_073_600_000)]
    public void TryParse_KnownSpelling_IsRead(string text, double milliseconds)
    {
        Assert.Null(DurationText.TryParse(text, out var duration));
        Assert.Equal(TimeSpan.FromMilliseconds(milliseconds), duration);
    }

    [Theory]
    [InlineData("-2s", "negative")]
    [InlineData("-00:00:02", "negative")]
    [InlineData("2", "has no unit; write '2s'")]
    [InlineData("2.5", "has no unit")]
    [InlineData("", "is not a duration")]
    [InlineData("s", "is not a duration")]
    [InlineData("2 s", "is not a duration")]
    [InlineData("2sec", "is not a duration")]
    [InlineData("2S", "is not a duration")]
    [InlineData("1.2.3s", "is not a duration")]
    [InlineData("25:61", "is not a duration")]
    [InlineData("577h", "too long; allowed: at most 576h")]
    [InlineData("99999999999999999h99999999999999999h", "too long")]
    [InlineData("999999999999999999999999s", "is not a duration")]
    public void TryParse_AnythingElse_SaysWhatIsWrong(string text, string reason)
    {
        Assert.Contains(reason, DurationText.TryParse(text, out _));
    }
}
