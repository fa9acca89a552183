using Bookinfo;

namespace Mesh.IntegrationTests.Bookinfo;

public sealed class HopTests
{
    [Fact]
    public void Format_AllKindsOfHops_IsADictionaryOfRfc9651()
    {
        var text = Hop.Format(
            [new("productpage", "v1"), new("details", "v1", 0.4126), new("reviews", "v2", 12, Failed: true)]);

        Assert.Equal("productpage=v1, details=v1;dur=0.413, reviews=v2;dur=12.000;failed", text);
    }

    [Fact]
    public void Parse_OfFormatted_GivesTheSameHops()
    {
        Hop[] hops = [new("productpage", "v1"), new("details", "v1", 0.5), new("reviews", "unknown", 12, Failed: true)];

        Assert.Equal(hops, Hop.Parse(Hop.Format(hops)));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData("=v1, a=, ,;")]
    public void Parse_OfNonsense_IsEmpty(string? header) => Assert.Empty(Hop.Parse(header));
}
