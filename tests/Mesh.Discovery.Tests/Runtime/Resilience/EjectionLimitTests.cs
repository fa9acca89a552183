using Mesh.Discovery.Runtime.Resilience;

namespace Mesh.Discovery.Tests.Runtime.Resilience;

public class EjectionLimitTests
{
    /// <summary>The table of docs/resilience.md.</summary>
    [Theory]
    [InlineData(0, 0, 0, 0, 0)]
    [InlineData(10, 0, 0, 1, 1, 1)]
    [InlineData(34, 0, 0, 1, 1, 1)]
    [InlineData(50, 0, 1, 1, 2, 2)]
    [InlineData(67, 0, 1, 2, 2, 3)]
    [InlineData(100, 0, 1, 2, 3, 4)]
    public void Of_OneToFiveEndpoints_IsAsDocumented(int percent, params int[] expected)
    {
        for (var i = 0; i < expected.Length; i++)
        {
            Assert.Equal(expected[i], EjectionLimit.Of(i + 1, percent));
        }
    }

    [Fact]
    public void Of_AnyNumber_NeverAll()
    {
        for (var endpoints = 0; endpoints <= 200; endpoints++)
        {
            for (var percent = 0; percent <= 100; percent++)
            {
                var limit = EjectionLimit.Of(endpoints, percent);
                Assert.InRange(limit, 0, Math.Max(0, endpoints - 1));
                Assert.True(limit <= Math.Max(1, endpoints * percent / 100));
            }
        }
    }

    [Fact]
    public void Docs_Table_IsThis()
    {
        var page = File.ReadAllText(Clone.At("docs/resilience.md"));
        foreach (var percent in new[] { 10, 34, 50, 67, 100 })
        {
            var row = string.Join(" | ", Enumerable.Range(1, 5).Select(n => EjectionLimit.Of(n, percent)));
            Assert.Contains($"| {percent} | {row} |", page, StringComparison.Ordinal);
        }
    }
}
