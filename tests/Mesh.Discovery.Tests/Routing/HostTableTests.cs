using Mesh.Discovery.Routing;

namespace Mesh.Discovery.Tests.Routing;

public class HostTableTests
{
    [Theory]
    [InlineData("a.example.com", "exact")]
    [InlineData("A.Example.COM", "exact")]
    [InlineData("b.example.com", "*.example.com")]
    [InlineData("x.y.example.com", "*.example.com")]
    [InlineData("x.deep.example.com", "*.deep.example.com")]
    [InlineData("example.com", "*.com")]
    [InlineData("example.org", "*")]
    [InlineData("short", "*")]
    public void Find_Host_TheMostSpecificEntry(string host, string expected)
    {
        var table = Table("*", "*.com", "*.example.com", "*.deep.example.com");
        table.Set("a.example.com", "exact");

        Assert.Equal(expected, table.Find(host));
    }

    [Fact]
    public void Find_NoWildcardCoversIt_Null() => Assert.Null(Table("*.example.com").Find("example.com"));

    [Fact]
    public void TryGetExact_Wildcard_OnlyAsWritten()
    {
        var table = Table("*.example.com");

        Assert.True(table.TryGetExact("*.Example.com", out _));
        Assert.False(table.TryGetExact("*.com", out _));
        Assert.False(table.TryGetExact("a.example.com", out _));
    }

    [Fact]
    public void Select_BothKinds_AreKept()
    {
        var table = Table("*.example.com", "a.b.c").Select(static text => text + "!");

        Assert.Equal("a.b.c!", table.Find("a.b.c"));
        Assert.Equal("*.example.com!", table.Find("x.example.com"));
    }

    private static HostTable<string> Table(params string[] hosts)
    {
        var table = new HostTable<string>();
        foreach (var host in hosts)
        {
            table.Set(host, host);
        }

        return table;
    }
}
