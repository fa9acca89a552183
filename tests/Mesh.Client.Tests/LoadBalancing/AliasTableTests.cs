using Mesh.Client.LoadBalancing;
using Mesh.Discovery;

namespace Mesh.Client.Tests.LoadBalancing;

public sealed class AliasTableTests
{
    /// <summary>A fine comb over all random numbers: the shares of the table itself, without chance.</summary>
    [Theory]
    [InlineData("1")]
    [InlineData("1 3")]
    [InlineData("0 5 0 7")]
    [InlineData("1 1 8")]
    [InlineData("2147483647 1 2147483647")]
    public void Next_EveryRandomNumber_SharesAreExact(string text)
    {
        const int Teeth = 120_000;
        var weights = text.Split(' ').Select(int.Parse).ToArray();
        var table = new AliasTable(weights);
        var counts = new int[weights.Length];

        for (var tooth = 0; tooth < Teeth; tooth++)
        {
            counts[table.Next(new Fixed((tooth + 0.5) / Teeth))]++;
        }

        var total = weights.Sum(weight => (double)weight);
        Assert.All(counts, (count, i) => Assert.Equal(weights[i] / total, count / (double)Teeth, 1e-4));
    }

    [Fact]
    public void Next_LargestRandomNumber_StaysInside()
    {
        var table = new AliasTable([1, 2, 3, 4, 5, 6, 7]);

        Assert.InRange(table.Next(new Fixed(1 - Math.Pow(2, -53))), 0, 6);
    }

    private sealed class Fixed(double value) : IRandomSource
    {
        public int Next(int exclusiveMax) => (int)(value * exclusiveMax);

        public double NextDouble() => value;
    }
}
