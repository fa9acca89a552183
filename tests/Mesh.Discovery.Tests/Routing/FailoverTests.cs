using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Tests.Routing;

public class FailoverTests
{
    [Fact]
    public void Compile_Failover_IsResolvedInOrder()
    {
        var compiled = Rule.Compile(
            Rule.Destination("reviews", "v1"), Rule.Service("r", ["reviews"], Rule.Route(To("reviews", ("reviews", "v1"), ("x.service.dc2.consul", null)))));

        Assert.Empty(compiled.Errors());
        var arm = Assert.Single(compiled.Routes("reviews.prod.svc.cluster.local")[0].Arms);
        Assert.Equal(["reviews.prod/v1", "x.service.dc2.consul"], arm.Failover!.Select(static other => other.Key.ToString()));
    }

    [Fact]
    public void Compile_NoFailover_Null() =>
        Assert.Null(Rule.Compile(Rule.Service("r", ["reviews"], Rule.Route(Rule.To("reviews")))).Routes("reviews.prod.svc.cluster.local")[0].Arms[0].Failover);

    [Fact]
    public void Compile_FailoverToAnUndefinedSubset_ErrorAtIt() =>
        Assert.EndsWith("else: the subset 'v9' of 'reviews.prod.svc.cluster.local' is not defined; defined are v1 (mesh/test.yaml: DestinationRule prod/reviews)",
            Assert.Single(Rule.Errors(Rule.Destination("reviews", "v1"), Rule.Service("r", ["x"], Rule.Route(To("x", ("reviews", "v9")))))),
            StringComparison.Ordinal);

    internal static RouteDestinationConfig To(string host, params (string Host, string? Subset)[] others) => Rule.To(host) with
    {
        Failover = [.. others.Select(static other => new FailoverConfig(other.Host, other.Subset, null, Rule.At("else")))],
    };
}
