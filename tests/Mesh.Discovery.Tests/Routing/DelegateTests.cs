using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Tests.Routing;

public class DelegateTests
{
    private const string Shop = "shop.prod.svc.cluster.local";

    [Theory]
    [InlineData("http://shop/api/a", "GET", "api/a")]
    [InlineData("http://shop/api/b", "GET", "api/#2")]
    [InlineData("http://shop/api/b", "PUT", "api/#2")]
    [InlineData("http://shop/a", "GET", "rest")]
    [InlineData("http://shop/other/a", "PUT", "put/a")]
    [InlineData("http://shop/other", "PUT", "put/#2")]
    public void Decide_Delegated_BothMatchesMustHold(string uri, string method, string expected)
    {
        var compiled = Rule.Compile(
            Rule.Service("root", ["shop"],
                Delegate("target", Rule.Match() with { Uri = Rule.Prefix("/api") }) with { Name = "api" },
                Delegate("target", Rule.Match() with { Method = Rule.Exact("PUT") }) with { Name = "put" },
                Rule.Route("rest", Rule.To("rest"))),
            Rule.Service("target", [],
                Rule.Route("a", Rule.To("a")) with
                {
                    Match = [Rule.Match() with { Uri = Rule.Exact("/api/a") }, Rule.Match() with { Uri = Rule.Exact("/other/a") }],
                },
                Rule.Route(Rule.To("b"))));

        Assert.Empty(compiled.Issues.Issues);
        Assert.Equal(expected, compiled.Tables.Find(Shop)!.Decide(Rule.Request(uri, method), new FixedRandom(0)).Route!.Name);
    }

    [Fact]
    public void Compile_DelegateWithoutMatch_LaterRoutesAreStillReached()
    {
        var compiled = Rule.Compile(
            Rule.Service("root", ["shop"], Delegate("target"), Rule.Route("rest", Rule.To("rest"))),
            Rule.Service("target", [], Rule.When(Rule.Match() with { Uri = Rule.Exact("/a") }, Rule.To("a"))));

        Assert.Empty(compiled.Issues.Issues);
        Assert.Equal("rest", compiled.Tables.Find(Shop)!.Decide(Rule.Request("http://shop/b"), new FixedRandom(0)).Route!.Name);
    }

    [Fact]
    public void Compile_RootsOwnSettings_HoldWhereTheTargetHasNone()
    {
        var root = Delegate("target") with
        {
            Timeout = TimeSpan.FromSeconds(1),
            Retries = new RetryConfig { Location = Rule.At(), Attempts = 7 },
            Rewrite = new RewriteConfig { Location = Rule.At(), Uri = "/root" },
            Headers = new HeadersConfig(new HeaderOperationsConfig { Set = [new("a", "1")] }, HeaderOperationsConfig.None),
        };
        var own = Rule.Route(Rule.To("a")) with
        {
            Timeout = TimeSpan.FromSeconds(2),
            Retries = new RetryConfig { Location = Rule.At(), Attempts = 1 },
            Rewrite = new RewriteConfig { Location = Rule.At(), Uri = "/own" },
            Headers = new HeadersConfig(HeaderOperationsConfig.None, new HeaderOperationsConfig { Set = [new("b", "1")] }),
        };

        var routes = Rule.Compile(
            Rule.Service("root", ["shop"], root),
            Rule.Service("target", [], own with { Match = [Rule.Match()] }, Rule.Route(Rule.To("b")))).Routes(Shop);

        Assert.Equal((TimeSpan.FromSeconds(2), 1, "http://h/own"), Show(routes[0]));
        Assert.Null(routes[0].RequestHeaders);
        Assert.NotNull(routes[0].ResponseHeaders);
        Assert.Equal((TimeSpan.FromSeconds(1), 7, "http://h/root"), Show(routes[1]));
        Assert.NotNull(routes[1].RequestHeaders);
        Assert.True(routes[1].ChangesRequest);

        static (TimeSpan?, int, string) Show(Route route) =>
            (route.Timeout, route.Retries.Attempts, route.Rewrite!.Apply(new Uri("http://h/x"), null).AbsoluteUri);
    }

    [Fact]
    public void Decide_PrefixRewriteOfTheRoot_ReplacesTheMatchedPrefix()
    {
        var table = Rule.Compile(
            Rule.Service("root", ["shop"], Delegate("target", Rule.Match() with { Uri = Rule.Prefix("/api") }) with
            {
                Rewrite = new RewriteConfig { Location = Rule.At(), Uri = "/v2" },
            }),
            Rule.Service("target", [], Rule.When(Rule.Match() with { Method = Rule.Exact("GET") }, Rule.To("a")))).Tables.Find(Shop)!;
        var uri = new Uri("http://shop/api/x");

        var decision = table.Decide(Rule.Request(uri.AbsoluteUri), new FixedRandom(0));

        Assert.Equal("http://shop/v2/x", decision.Route!.Rewrite!.Apply(uri, decision.Match!.Uri).AbsoluteUri);
    }

    [Fact]
    public void Compile_MissingTarget_Error()
    {
        var errors = Rule.Errors(
            Rule.Service("root", ["shop"],
                Delegate("nowhere", Rule.Match()), Delegate("other", Rule.Match()), Delegate("target", Rule.Match(), "test")),
            Rule.Service("other", ["other"], Rule.Route(Rule.To("other"))),
            Rule.Service("target", [], Rule.Route(Rule.To("other"))));

        Assert.Equal(
        [
            "mesh/test.yaml: VirtualService prod/root: delegate: there is no VirtualService 'prod/nowhere' without hosts to delegate to",
            "mesh/test.yaml: VirtualService prod/root: delegate: there is no VirtualService 'prod/other' without hosts to delegate to",
            "mesh/test.yaml: VirtualService prod/root: delegate: there is no VirtualService 'test/target' without hosts to delegate to",
        ], errors);
    }

    [Fact]
    public void Compile_OtherNamespace_TargetIsFoundAndItsShortNamesAreItsOwn()
    {
        var compiled = Rule.Compile(
            Rule.Service("root", ["shop"], Delegate("target", null, "test")),
            Rule.Service("target", [], Rule.Route(Rule.To("a"))) with { Namespace = "test" });

        Assert.Empty(compiled.Issues.Issues);
        Assert.Equal("a.test", Assert.Single(compiled.Routes(Shop)).Arms[0].Key.Service.ToString());
    }

    [Fact]
    public void Compile_Chain_IsRefused()
    {
        foreach (var next in new[] { "last", "middle" })
        {
            var errors = Rule.Errors(
                Rule.Service("root", ["shop"], Delegate("middle")),
                Rule.Service("middle", [], Delegate(next)),
                Rule.Service("last", [], Rule.Route(Rule.To("a"))));

            Assert.Equal("mesh/test.yaml: VirtualService prod/middle: delegate: a VirtualService without hosts cannot delegate further",
                Assert.Single(errors));
        }
    }

    [Fact]
    public void Compile_NobodyDelegates_WarningAndNotInEffect()
    {
        var target = Rule.Service("target", [], Rule.Route(Rule.To("a")));
        var compiled = Rule.Compile(target);

        Assert.Empty(compiled.Errors());
        Assert.Contains("no other VirtualService delegates to it", Assert.Single(compiled.Warnings()), StringComparison.Ordinal);
        Assert.Empty(compiled.InEffect);
    }

    [Fact]
    public void Compile_OnlyAHiddenDocumentDelegates_NotInEffect()
    {
        var target = Rule.Service("target", [], Rule.Route(Rule.To("a", "v9")));
        var root = Rule.Service("root", ["shop"], Delegate("target"));
        var strong = Rule.Service("strong", ["shop"], Rule.Route(Rule.To("a")));

        Assert.Equal([strong], Rule.Compiler().Compile([new(target, 0), new(root, 0), new(strong, 1)]).InEffect);
        Assert.Contains(target, Rule.Compile(target, root).InEffect);
    }

    [Fact]
    public void Compile_TargetWithMistakes_EachIsToldOnce()
    {
        var errors = Rule.Errors(
            Rule.Service("one", ["one"], Delegate("target")),
            Rule.Service("two", ["two"], Delegate("target")),
            Rule.Service("target", [], Rule.When(Rule.Match() with { Uri = Rule.Regex("(") }, Rule.To("a", "v9"))));

        Assert.Equal(2, errors.Length);
    }

    private static RouteConfig Delegate(string name, RouteMatchConfig? match = null, string? @namespace = null) => new()
    {
        Location = Rule.At("route"),
        Match = match is null ? [] : [match],
        Delegate = new DelegateConfig(name, @namespace, Rule.At("delegate")),
    };
}
