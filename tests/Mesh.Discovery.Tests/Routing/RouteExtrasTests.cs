using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Tests.Routing;

public class RouteExtrasTests
{
    private const string Reviews = "reviews.prod.svc.cluster.local";

    private static readonly FaultConfig s_fault = new() { Location = Rule.At("fault"), Abort = new FaultAbortConfig(503, null, Share.All) };

    [Fact]
    public void Compile_PlainRoute_HasNoExtras() =>
        Assert.Equal(RouteExtras.None, Assert.Single(Rule.Compile(Rule.Service("r", ["reviews"], Rule.Route(Rule.To("reviews")))).Routes(Reviews)).Extras);

    [Fact]
    public void Compile_FaultAndMirrors_AreFlagged()
    {
        var route = Compile(Rule.Route(Rule.To("reviews")) with { Fault = s_fault, Mirrors = [Mirror("a"), Mirror("b", Share.None), Mirror("reviews", new Share(5), "v2")] });

        Assert.Equal(RouteExtras.Fault | RouteExtras.Mirrors, route.Extras);
        Assert.Equal(
            [("a.prod", Share.All), ("reviews.prod/v2", new Share(5))],
            route.Mirrors.Select(static mirror => (mirror.Target.Key.ToString(), mirror.Share)));
    }

    [Fact]
    public void Compile_NothingIsEverAffected_HasNoExtras() =>
        Assert.Equal(RouteExtras.None, Compile(Rule.Route(Rule.To("reviews")) with
        {
            Fault = s_fault with { Abort = s_fault.Abort! with { Share = Share.None } },
            Mirrors = [Mirror("a", Share.None)],
        }).Extras);

    [Fact]
    public void Compile_HeaderFaultsOfTheProcess_HoldForEveryRoute()
    {
        var compiled = new RuleCompiler("prod", Labels.Empty, Rule.Policies, retryAttempts: 2, headerFaults: true)
            .Compile([new PlacedRule(Rule.Service("r", ["reviews"], Rule.Route(Rule.To("reviews"))), 0)]);

        Assert.Same(FaultPlan.HeadersOnly, Assert.Single(compiled.Routes(Reviews)).Fault);
    }

    [Fact]
    public void Compile_MirrorToUndefinedSubset_IsAnError() =>
        Assert.Equal(
            ["mesh/test.yaml: mirror: the subset 'v3' of 'reviews.prod.svc.cluster.local' is not defined; defined are v2 (mesh/test.yaml: DestinationRule prod/reviews)"],
            Rule.Errors(
                Rule.Destination("reviews", "v2"),
                Rule.Service("r", ["reviews"], Rule.Route(Rule.To("reviews")) with { Mirrors = [Mirror("reviews", Share.All, "v3")] })));

    [Fact]
    public void Compile_RouteThatAnswersItself_HasNeitherFaultNorMirror()
    {
        var redirect = Rule.Route() with
        {
            Redirect = new RedirectConfig { Location = Rule.At(), Uri = "/x" }, Fault = s_fault, Mirrors = [Mirror("a")],
        };
        var direct = Rule.Route() with { DirectResponse = new DirectResponseConfig(200, []), Fault = s_fault };

        Assert.Equal(
            [
                "mesh/test.yaml: fault: a route with a redirect cannot have a fault; faults are for routes to destinations",
                "mesh/test.yaml: mirror: a route with a redirect cannot have mirrors; mirrors are for routes to destinations",
                "mesh/test.yaml: fault: a route with a directResponse cannot have a fault; faults are for routes to destinations",
            ],
            Rule.Errors(Rule.Service("r", ["reviews"], Rule.When(Rule.Match()) with
            {
                Redirect = redirect.Redirect, Fault = redirect.Fault, Mirrors = redirect.Mirrors,
            }, direct)));
    }

    [Fact]
    public void Compile_Delegated_RootsFaultAndMirrorsHoldWhereTheTargetHasNone()
    {
        var root = Rule.Route() with
        {
            Delegate = new DelegateConfig("target", null, Rule.At()), Fault = s_fault, Mirrors = [Mirror("root")],
        };

        var compiled = Rule.Compile(
            Rule.Service("root", ["reviews"], root),
            Rule.Service("target", [],
                Rule.When(Rule.Match(), Rule.To("a")) with { Fault = s_fault with { HeaderControlled = true }, Mirrors = [Mirror("own")] },
                Rule.When(Rule.Match()) with { DirectResponse = new DirectResponseConfig(200, []) },
                Rule.Route(Rule.To("b"))));

        Assert.Empty(compiled.Issues.Issues);
        Assert.Equal(
            ["own.prod", "", "root.prod"],
            compiled.Routes(Reviews).Select(static route => string.Join(',', route.Mirrors.Select(static mirror => mirror.Target.Key.ToString()))));
        Assert.Null(compiled.Routes(Reviews)[1].Fault);
        Assert.NotNull(compiled.Routes(Reviews)[2].Fault);
    }

    private static Route Compile(RouteConfig route)
    {
        var compiled = Rule.Compile(Rule.Destination("reviews", "v2"), Rule.Service("r", ["reviews"], route));
        Assert.Empty(compiled.Issues.Issues);
        return Assert.Single(compiled.Routes(Reviews));
    }

    private static MirrorConfig Mirror(string host, Share? share = null, string? subset = null) => new(host, subset, null, share ?? Share.All, Rule.At("mirror"));
}
