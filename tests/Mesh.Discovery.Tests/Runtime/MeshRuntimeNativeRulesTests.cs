using Mesh.Discovery.Rules;
using Mesh.Discovery.Tests.Routing;

namespace Mesh.Discovery.Tests.Runtime;

public sealed class MeshRuntimeNativeRulesTests : RuntimeFixture
{
    [Fact]
    public async Task Rules_Failover_TheHostsThatStandInAreKnownAndForgottenWithTheRule()
    {
        await Start(Rule.Service("r", ["reviews"], Rule.Route(FailoverTests.To("reviews", ("ratings", null)))));
        Catalog.Say(Ratings, At("a:81"));

        var arm = Routes("reviews")[0].Arms[0];
        Assert.Same(Service("ratings"), arm.Failover![0].Destination.Service);
        Assert.Equal("a:81", Show(arm.Failover[0].Destination.View));

        Catalog.Say(Ratings);
        Rules.Publish();

        Assert.Null(Runtime.Current.Find("reviews"));
    }

    [Fact]
    public async Task Rules_Intention_GuardsServicesWithAndWithoutRoutesAndGoesWithIt()
    {
        Options.Service = "web";
        await Start(Denial("reviews"), Rule.Service("r", ["reviews"], Rule.Route("own", Rule.To("ratings"))));
        Catalog.Say(Ratings, At("a:81"));

        var denied = Service("reviews").Routes.Decide(Rule.Request(), new FixedRandom(0));
        Assert.Equal(("web → reviews", null, null), (denied.DeniedBy!.Intention, denied.Route, denied.Arm));
        Assert.Null(Service("ratings").Routes.Guard);

        Rules.Publish(Denial("*"));

        Assert.Equal("web → *", Service("ratings").Routes.Decide(Rule.Request("http://ratings/"), new FixedRandom(0)).DeniedBy!.Intention);

        Rules.Publish();

        Assert.Null(Service("ratings").Routes.Guard);
        Assert.Equal("default", Service("ratings").Routes.Decide(Rule.Request(), new FixedRandom(0)).Route!.Name);
    }

    private static ServiceIntentionsConfig Denial(string host) => new()
    {
        Name = host,
        Namespace = "prod",
        Location = Rule.At(),
        Host = host,
        Sources = [new IntentionSourceConfig { Location = Rule.At(), Name = "web", Allow = false }],
    };
}
