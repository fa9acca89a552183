using Mesh.Discovery.Routing;
using Mesh.Discovery.Runtime;

namespace Mesh.Discovery.Tests.Runtime;

public class MeshSnapshotTests
{
    [Theory]
    [InlineData("reviews", "reviews.prod")]
    [InlineData("REVIEWS", "reviews.prod")]
    [InlineData("reviews.prod", "reviews.prod")]
    [InlineData("reviews.prod.svc", "reviews.prod")]
    [InlineData("reviews.prod.svc.cluster.local", "reviews.prod")]
    [InlineData("reviews.prod.svc.cluster.local.", "reviews.prod")]
    [InlineData("reviews.test", "reviews.test")]
    [InlineData("ratings", null)]
    [InlineData("ratings.test", "ratings.test")]
    [InlineData("example.com", "example.com")]
    [InlineData("example.com.svc", "example.com")]
    [InlineData("api.example.org", "*.example.org")]
    [InlineData("a.b.example.org", "*.example.org")]
    [InlineData("x.deep.example.org", "*.deep.example.org")]
    [InlineData("example.org", null)]
    [InlineData("unknown", null)]
    [InlineData(".", null)]
    [InlineData("", null)]
    public void Find_Forms_TheServiceOrNothing(string host, string? expected)
    {
        var snapshot = Snapshot("prod", Service("reviews", "prod"), Service("reviews", "test"), Service("ratings", "test"),
            External("*.example.org"), External("*.deep.example.org"), Service("example", "com"));

        Assert.Equal(expected, snapshot.Find(host)?.Name.ToString());
    }

    [Fact]
    public void Find_LiteralHost_WinsOverShortForms()
    {
        foreach (var literal in new[] { "reviews", "reviews.prod", "reviews.prod.svc" })
        {
            Assert.True(Snapshot("prod", Service("reviews", "prod"), External(literal)).Find(literal)!.Name.IsExternal);
            Assert.True(Snapshot("prod", External(literal), Service("reviews", "prod")).Find(literal)!.Name.IsExternal);
        }
    }

    [Fact]
    public void Find_Empty_Nothing() => Assert.Null(MeshSnapshot.Empty.Find("reviews"));

    [Fact]
    public void With_OtherRules_KeepsTheServices()
    {
        var snapshot = Snapshot("prod", Service("reviews", "prod"));
        var other = snapshot.With(7, []);

        Assert.Equal(7, other.Revision);
        Assert.Same(snapshot.Services, other.Services);
        Assert.Same(snapshot.Find("reviews"), other.Find("reviews"));
    }

    private static MeshSnapshot Snapshot(string @namespace, params ServiceState[] services) => new(1, services, @namespace, []);

    private static ServiceState Service(string name, string @namespace) => new(new ServiceName(name, @namespace), static _ => 0, RetryPolicy.Default(2), Resilience.ResilienceFixture.NewContext());

    private static ServiceState External(string host) => new(ServiceName.External(host), static _ => 0, RetryPolicy.Default(2), Resilience.ResilienceFixture.NewContext());
}
