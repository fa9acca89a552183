using Mesh.Discovery.Rules;
using Mesh.Discovery.Tests.Runtime.Balancing;
using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Tests.Runtime;

/// <summary>What depends on the instances of the process's own service.</summary>
public sealed class MeshRuntimePeersTests : RuntimeFixture
{
    private static readonly ServiceName s_web = new("web", "prod");

    private static readonly DestinationRuleConfig s_aperture = new()
    {
        Location = new SourceLocation("test"),
        Name = "reviews",
        Namespace = "prod",
        Host = "reviews.prod.svc.cluster.local",
        TrafficPolicy = new TrafficPolicyConfig
        {
            LoadBalancer = new LoadBalancerConfig { Location = new SourceLocation("test"), Aperture = new ApertureConfig { Size = 4 } },
        },
    };

    public MeshRuntimePeersTests() => Options.Service = "web";

    [Fact]
    public async Task Peers_JoinAndLeave_OnlyDestinationsThatUseThemGetNewViews()
    {
        Catalog.OnWatch = static observer =>
        {
            observer.ServiceChanged(Reviews, Instances(40));
            observer.ServiceChanged(Ratings, Instances(40));
            observer.Synced();
        };
        await Start(s_aperture);
        var service = Service("reviews.prod");
        var destination = service.GetDestination(new(service.Name));
        var ratings = View(Service("ratings.prod"));
        Assert.InRange(destination.View.Endpoints.Length, 4, 5);

        Runtime.SetOwnAddress(new Uri("http://10.0.0.1:8080"));
        Catalog.Observer.ServiceChanged(s_web, Instances(2));
        Assert.Equal(20, destination.View.Endpoints.Length);

        Catalog.Observer.ServiceChanged(s_web, Instances(10));
        Assert.Equal(4, destination.View.Endpoints.Length);
        Assert.Same(ratings, View(Service("ratings.prod")));

        var before = destination.View;
        Catalog.Observer.ServiceChanged(s_web, [.. Instances(10).Reverse()]);
        Assert.Same(before, destination.View);
    }

    [Fact]
    public async Task Peers_NoCatalogKnowsTheOwnService_IsSaidOnce()
    {
        Catalog.OnWatch = static observer =>
        {
            observer.ServiceChanged(Reviews, Instances(40));
            observer.Synced();
        };

        await Start(s_aperture);
        _ = View(Service("reviews.prod"));
        await Until(() => Logs(LogLevel.Information).Any(static log => log.StartsWith("No catalog knows instances of web", StringComparison.Ordinal)));
        Catalog.Observer.ServiceChanged(Reviews, Instances(41));

        Assert.Single(Logs(LogLevel.Information), static log => log.StartsWith("No catalog knows", StringComparison.Ordinal));
    }

    private static Endpoint[] Instances(int count) => [.. Enumerable.Range(0, count).Select(static n => Candidates.At(n))];
}
