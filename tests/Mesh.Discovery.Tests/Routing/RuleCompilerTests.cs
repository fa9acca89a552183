using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Tests.Routing;

public class RuleCompilerTests
{
    private const string Reviews = "reviews.prod.svc.cluster.local";

    [Fact]
    public void Compile_UndefinedSubset_NamesTheDefinedOnes() =>
        Assert.Equal(
            $"mesh/test.yaml: VirtualService prod/r: to reviews/v9: the subset 'v9' of '{Reviews}' is not defined; "
            + "defined are v1, v2 (mesh/test.yaml: DestinationRule prod/reviews)",
            Assert.Single(Rule.Errors(
                Rule.Destination("reviews", "v1", "v2"), Rule.Service("r", ["reviews"], Rule.Route(Rule.To("reviews", "v9"))))));

    [Fact]
    public void Compile_SubsetWithoutDestinationRule_SaysSo() =>
        Assert.EndsWith($"the subset 'v1' of '{Reviews}' is not defined: no DestinationRule for that host",
            Assert.Single(Rule.Errors(Rule.Service("r", ["reviews"], Rule.Route(Rule.To("reviews", "v1"))))), StringComparison.Ordinal);

    [Fact]
    public void Compile_SubsetsFromAWildcardRule_AreDefined() =>
        Assert.Empty(Rule.Errors(
            Rule.Destination("*.prod.svc.cluster.local", "v1"), Rule.Service("r", ["reviews"], Rule.Route(Rule.To("reviews", "v1")))));

    [Fact]
    public void Compile_UnknownLoadBalancers_NamesTheKnownOnes()
    {
        var rule = Rule.Destination("reviews", "v1");

        var errors = Rule.Errors(rule with
        {
            TrafficPolicy = new TrafficPolicyConfig { LoadBalancer = Rule.Balancer("FASTEST") },
            Subsets = [rule.Subsets[0] with { TrafficPolicy = new TrafficPolicyConfig { LoadBalancer = Rule.Balancer("SLOWEST") } }],
        });

        Assert.Equal(
        [
            "mesh/test.yaml: loadBalancer: the load balancer 'FASTEST' is not known; allowed are LEAST_REQUEST, PASSTHROUGH, ROUND_ROBIN",
            "mesh/test.yaml: loadBalancer: the load balancer 'SLOWEST' is not known; allowed are LEAST_REQUEST, PASSTHROUGH, ROUND_ROBIN",
        ], errors);
    }

    [Fact]
    public void Compile_ConsistentHashWithoutOrWithTwoKeys_Error()
    {
        foreach (var hash in new[] { new ConsistentHashConfig(), new ConsistentHashConfig { HttpHeaderName = "x", UseSourceIp = true } })
        {
            Assert.Contains("exactly one of httpHeaderName", Assert.Single(Rule.Errors(Rule.Destination("reviews") with
            {
                TrafficPolicy = new TrafficPolicyConfig { LoadBalancer = new LoadBalancerConfig { Location = Rule.At(), ConsistentHash = hash } },
            })), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Compile_Duplicates_EachIsAnErrorThatNamesTheOtherPlace()
    {
        var errors = Rule.Errors(
            Rule.Service("r", ["reviews"], Rule.Route("x", Rule.To("reviews")) with { Match = [Rule.Match()] }, Rule.Route("x", Rule.To("reviews"))),
            Rule.Service("r", ["other"], Rule.Route(Rule.To("other"))).From("b.yaml"),
            Rule.Service("s", [Reviews], Rule.Route(Rule.To("reviews"))),
            Rule.Destination("reviews", "v1", "v1"),
            Rule.Destination("reviews.prod"),
            Rule.Entry("e", ServiceResolution.None, "api.example.com"),
            Rule.Entry("f", ServiceResolution.None, "API.example.com."));

        Assert.Equal(
        [
            "b.yaml: VirtualService prod/r: the name 'r' is used twice: it is also in mesh/test.yaml: VirtualService prod/r",
            "mesh/test.yaml: ServiceEntry prod/f: the host 'api.example.com' is defined twice: it is also in mesh/test.yaml: ServiceEntry prod/e",
            "mesh/test.yaml: DestinationRule prod/reviews: subset v1: the subset 'v1' is defined twice; names of subsets are unique",
            $"mesh/test.yaml: DestinationRule prod/reviews.prod: the host '{Reviews}' already has a DestinationRule: it is also in mesh/test.yaml: DestinationRule prod/reviews",
            "mesh/test.yaml: VirtualService prod/r: route: the route name 'x' is used twice; names of routes are unique in their document",
            $"mesh/test.yaml: VirtualService prod/s: the host '{Reviews}' already has routes: it is also in mesh/test.yaml: VirtualService prod/r",
        ], errors);
    }

    [Theory]
    [InlineData(new[] { 0, 0 }, "all weights are zero")]
    [InlineData(new[] { 0 }, "all weights are zero")]
    [InlineData(new[] { -1, -1 }, "all weights are zero")]
    [InlineData(new[] { int.MaxValue, 1 }, "add up to 2147483648; at most 2147483647")]
    public void Compile_WeightsThatGiveNoSplit_Error(int[] weights, string reason) =>
        Assert.Contains(Rule.Errors(Weighted([.. weights.Select(static weight => (int?)weight)])), error => error.Contains(reason, StringComparison.Ordinal));

    [Fact]
    public void Compile_NegativeWeight_ErrorAtTheArm() =>
        Assert.EndsWith("to h0/: weight -5 is not allowed; a weight is a whole number of 0 or more",
            Assert.Single(Rule.Errors(Weighted(-5, 10))), StringComparison.Ordinal);

    [Fact]
    public void Compile_NoWeights_Error() =>
        Assert.EndsWith("no destination has a weight; of several destinations at least one needs a weight above 0",
            Assert.Single(Rule.Errors(Weighted(null, null))), StringComparison.Ordinal);

    [Fact]
    public void Compile_OneWeightMissing_WarnsThatItGetsNothing()
    {
        var compiled = Rule.Compile(Weighted(25, null));

        Assert.Empty(compiled.Errors());
        Assert.EndsWith("to h1/: has no weight beside destinations that have one, so it takes no traffic",
            Assert.Single(compiled.Warnings()), StringComparison.Ordinal);
    }

    [Fact]
    public void Compile_NoneOrSeveralActions_Error()
    {
        var errors = Rule.Errors(Rule.Service("r", ["reviews"],
            Rule.Route() with { Match = [Rule.Match()] },
            Rule.Route(Rule.To("reviews")) with { DirectResponse = new DirectResponseConfig(200, []) }));

        Assert.Equal(2, errors.Length);
        Assert.EndsWith("a route needs an action: one of route, redirect, directResponse, delegate", errors[0], StringComparison.Ordinal);
        Assert.EndsWith("a route has exactly one action: route, redirect, directResponse or delegate, not several", errors[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Compile_HostStar_ErrorButAllowedForDestinationRules()
    {
        var compiled = Rule.Compile(
            Rule.Service("r", ["*"], Rule.Route(Rule.To("reviews", "v1"))),
            Rule.Entry("e", ServiceResolution.None, "*"),
            Rule.Destination("*", "v1"));

        Assert.Equal(2, compiled.Errors().Length);
        Assert.All(compiled.Errors(), static error => Assert.Contains("the host '*' is not allowed", error, StringComparison.Ordinal));
        Assert.NotNull(compiled.DestinationRules.Find("anything"));
    }

    [Fact]
    public void Compile_ServiceEntryWithoutHosts_Error() =>
        Assert.Contains("hosts is empty", Assert.Single(Rule.Errors(Rule.Entry("e", ServiceResolution.None))), StringComparison.Ordinal);

    [Fact]
    public void Compile_BadRegexAnywhere_EachIsAnError()
    {
        var errors = Rule.Errors(Rule.Service("r", ["reviews"], Rule.When(
            Rule.Match() with
            {
                Uri = Rule.Regex("(uri"),
                Scheme = Rule.Regex("(scheme"),
                Method = Rule.Regex("(method"),
                Authority = Rule.Regex("(authority"),
                Headers = Rule.Named("x", Rule.Regex("(headers")),
                WithoutHeaders = Rule.Named("x", Rule.Regex("(without")),
                QueryParams = Rule.Named("x", Rule.Regex("(query")),
            },
            Rule.To("reviews"))));

        Assert.Equal(["uri", "scheme", "method", "authority", "headers", "without", "query"],
            errors.Select(static error => error.Split('(', '\'')[2]));
        Assert.All(errors, static error => Assert.StartsWith("mesh/test.yaml: regex: the regular expression", error, StringComparison.Ordinal));
    }

    [Fact]
    public void Compile_ManyMistakes_AllAreToldTogether()
    {
        var errors = Rule.Errors(
            Rule.Entry("e", ServiceResolution.Static, "api.example.com"),
            Rule.Destination("reviews", "v1", "v1"),
            Rule.Service("a", ["reviews"], Rule.Route(Rule.To("reviews", "v9")) with
            {
                Retries = new RetryConfig { Location = Rule.At(), RetryOn = "sometimes" },
                Rewrite = new RewriteConfig { Location = Rule.At(), Uri = "x" },
                Match = [Rule.Match() with { Uri = Rule.Regex("(") }],
            }, Rule.Route()),
            Rule.Service("b", ["b"], Rule.Route(Rule.To("b", weight: 0), Rule.To("c", weight: 0))));

        Assert.Equal(8, errors.Length);
    }

    [Fact]
    public void Compile_RouteAfterOneThatMatchesAll_Warning()
    {
        var compiled = Rule.Compile(Rule.Service("r", ["reviews"],
            Rule.When(Rule.Match(), Rule.To("reviews")), Rule.Route("all", Rule.To("reviews")), Rule.Route(Rule.To("reviews"))));

        Assert.EndsWith("route: is never reached: route 'all' before it matches everything", Assert.Single(compiled.Warnings()), StringComparison.Ordinal);
    }

    [Fact]
    public void Compile_HostForms_AllNameOneService()
    {
        foreach (var host in new[] { "reviews", "reviews.prod", "reviews.prod.svc", Reviews, "REVIEWS." })
        {
            var route = Assert.Single(Rule.Compile(Rule.Service("r", [host], Rule.Route(Rule.To(host)))).Routes(Reviews));
            Assert.Equal(new ServiceName("reviews", "prod"), Assert.Single(route.Arms).Key.Service);
        }
    }

    [Fact]
    public void Compile_ShortName_BelongsToTheDocumentsNamespace()
    {
        var compiled = Rule.Compile(Rule.Service("r", ["reviews"], Rule.Route(Rule.To("ratings"))) with { Namespace = "test" });

        Assert.Null(compiled.Tables.Find(Reviews));
        Assert.Equal("ratings.test", Assert.Single(compiled.Routes("reviews.test.svc.cluster.local")[0].Arms).Key.Service.ToString());
    }

    [Fact]
    public void Compile_HostOfAServiceEntry_IsLiteralInEveryDocument()
    {
        var compiled = Rule.Compile(
            Rule.Entry("e", ServiceResolution.Dns, "example.com"),
            Rule.Destination("Example.com.", "v1"),
            Rule.Service("r", ["EXAMPLE.com"], Rule.Route(Rule.To("example.com", "v1"))));

        Assert.Empty(compiled.Errors());
        Assert.Equal("example.com", compiled.Routes("example.com")[0].Arms[0].Key.Service.Host);
    }

    [Fact]
    public void Compile_ServiceEntryAppears_UnchangedRoutesFollow()
    {
        var compiler = Rule.Compiler();
        var service = Rule.Service("r", ["reviews"], Rule.Route(Rule.To("example.com")));
        var entry = Rule.Entry("e", ServiceResolution.Dns, "example.com");

        Assert.Equal(["example.com.svc.cluster.local", "example.com", "example.com.svc.cluster.local"],
            new RuleConfig[][] { [service], [service, entry], [service] }.Select(rules => compiler
                .Compile([.. rules.Select(static rule => new PlacedRule(rule, 0))]).Routes(Reviews)[0].Arms[0].Key.Service.Host).ToArray());
    }

    [Fact]
    public void Compile_StrongerSource_WinsWhateverTheOrderAndTheWeakerIsNotInEffect()
    {
        PlacedRule[] rules =
        [
            new(Rule.Service("weak", ["reviews"], Rule.Route("weak", Rule.To("reviews"))), 0),
            new(Rule.Service("strong", ["reviews.prod"], Rule.Route("strong", Rule.To("reviews"))).From("kv"), 1),
            new(Rule.Destination("reviews", "v2"), 0),
            new(Rule.Destination("reviews.prod", "v2").From("kv"), 1),
            new(Rule.Entry("weak", ServiceResolution.None, "api.example.com"), 0),
            new(Rule.Entry("strong", ServiceResolution.None, "api.example.com"), 1),
        ];
        foreach (var order in new[] { rules, [.. rules.Reverse()] })
        {
            var compiled = Rule.Compiler().Compile(order);

            Assert.Empty(compiled.Errors());
            Assert.Equal("strong", Assert.Single(compiled.Routes(Reviews)).Name);
            Assert.Equal("v2", Assert.Single(compiled.DestinationRules.Find(Reviews)!.Subsets).Name);
            Assert.Equal(rules.Where(static rule => rule.Precedence == 1).Select(static rule => rule.Rule).ToHashSet(), compiled.InEffect);
        }
    }

    [Fact]
    public void Compile_WeakerWithAHostOfItsOwn_StaysInEffectForIt()
    {
        var weak = Rule.Service("weak", ["reviews", "ratings"], Rule.Route("weak", Rule.To("reviews")));
        var compiled = Rule.Compiler().Compile(
            [new(weak, 0), new(Rule.Service("strong", ["reviews"], Rule.Route("strong", Rule.To("reviews"))), 1)]);

        Assert.Contains(weak, compiled.InEffect);
        Assert.Equal("weak", compiled.Routes("ratings.prod.svc.cluster.local")[0].Name);
    }

    [Fact]
    public void Compile_HiddenDocument_MayReferToSubsetsThatAreHiddenToo()
    {
        var compiled = Rule.Compiler().Compile(
        [
            new(Rule.Service("weak", ["reviews"], Rule.Route(Rule.To("reviews", "local"))), 0),
            new(Rule.Destination("reviews", "local"), 0),
            new(Rule.Service("strong", ["reviews"], Rule.Route(Rule.To("reviews", "shared"))).From("kv"), 1),
            new(Rule.Destination("reviews.prod", "shared").From("kv"), 1),
        ]);

        Assert.Empty(compiled.Errors());
    }

    [Fact]
    public void Compile_SameNameInAStrongerSource_HidesTheWeaker()
    {
        var compiled = Rule.Compiler().Compile(
        [
            new(Rule.Service("r", ["reviews"], Rule.Route("weak", Rule.To("reviews"))), 0),
            new(Rule.Service("r", ["reviews"], Rule.Route("strong", Rule.To("reviews"))), 1),
        ]);

        Assert.Empty(compiled.Errors());
        Assert.Equal("strong", compiled.Routes(Reviews)[0].Name);
    }

    [Fact]
    public void Compile_SourceLabelsAndNamespace_EntriesForOthersDoNotExist()
    {
        var service = Rule.Service("r", ["reviews"],
            Rule.Route("others", Rule.To("a")) with { Match = [Rule.Match() with { SourceLabels = new Labels([new("app", "other")]) }] },
            Rule.Route("namespace", Rule.To("a")) with { Match = [Rule.Match() with { SourceNamespace = "test" }] },
            Rule.Route("mine", Rule.To("a")) with
            {
                Match =
                [
                    Rule.Match() with { SourceNamespace = "PROD", SourceLabels = new Labels([new("app", "web")]) },
                    Rule.Match() with { SourceNamespace = "test" },
                ],
            });

        var routes = Rule.Compiler("prod", new Labels([new("app", "web"), new("version", "v1")])).Compile([new(service, 0)]).Routes(Reviews);

        Assert.Equal("mine", Assert.Single(routes).Name);
        Assert.Single(routes[0].Matches!);
    }

    [Fact]
    public void Compile_BadEntryForOtherCallers_IsAnErrorAllTheSame() =>
        Assert.Single(Rule.Errors(Rule.Service("r", ["reviews"], Rule.When(
            Rule.Match() with { SourceNamespace = "elsewhere", Uri = Rule.Regex("(") }, Rule.To("reviews")))));

    [Fact]
    public void Compile_Route_CarriesEverything()
    {
        var headers = new HeadersConfig(new HeaderOperationsConfig { Set = [new("a", "1")] }, new HeaderOperationsConfig { Remove = ["b"] });
        var route = Rule.Route(Rule.To("reviews", port: 8080) with { Headers = headers }) with
        {
            Timeout = TimeSpan.FromSeconds(2),
            Headers = headers,
            Retries = new RetryConfig { Location = Rule.At(), Attempts = 5 },
        };
        var redirect = new RedirectConfig { Location = Rule.At(), Uri = "/login" };
        var answer = new DirectResponseConfig(503, [1]);

        var routes = Rule.Compile(Rule.Service("r", ["reviews"],
            route with { Match = [Rule.Match()] },
            new RouteConfig { Location = Rule.At(), Redirect = redirect, Match = [Rule.Match()] },
            new RouteConfig { Location = Rule.At(), DirectResponse = answer })).Routes(Reviews);

        Assert.Equal(["#1", "#2", "#3"], routes.Select(static r => r.Name));
        Assert.Equal("reviews.prod:8080", routes[0].Arms[0].Key.ToString());
        Assert.Equal((TimeSpan.FromSeconds(2), 5, true), (routes[0].Timeout, routes[0].Retries.Attempts, routes[0].ChangesRequest));
        Assert.NotNull(routes[0].Arms[0].RequestHeaders);
        Assert.NotNull(routes[0].Arms[0].ResponseHeaders);
        Assert.NotNull(routes[0].RequestHeaders);
        Assert.NotNull(routes[0].ResponseHeaders);
        Assert.Same(redirect, routes[1].Redirect);
        Assert.Same(answer, routes[2].DirectResponse);
        Assert.Null(routes[2].Matches);
        Assert.Empty(routes[2].Arms);
        Assert.False(routes[2].ChangesRequest);
    }

    [Fact]
    public void Decide_FirstMatchWins_AndNoMatchIsNothing()
    {
        var table = Rule.Compile(Rule.Service("r", ["reviews"],
            Rule.When(Rule.Match() with { Uri = Rule.Prefix("/a") }, Rule.To("one")),
            Rule.When(Rule.Match() with { Uri = Rule.Prefix("/ab") }, Rule.To("two")),
            Rule.When(Rule.Match() with { Uri = Rule.Exact("/b") }, Rule.To("three")))).Tables.Find(Reviews)!;
        var random = new FixedRandom(0);

        Assert.Equal("#1", table.Decide(Rule.Request("http://reviews/abc"), random).Route!.Name);
        Assert.Equal("/b", table.Decide(Rule.Request("http://reviews/b"), random).Match!.Uri!.Value);
        Assert.Equal(default, table.Decide(Rule.Request("http://reviews/c"), random));
        Assert.Equal("prod/r", table.Name);
    }

    [Fact]
    public void Compile_Unchanged_ReusesTheRoutes()
    {
        var compiler = Rule.Compiler();
        PlacedRule a = new(Rule.Service("a", ["a"], Rule.Route(Rule.To("a")), Rule.Route(Rule.To("a"))), 0);
        PlacedRule b = new(Rule.Service("b", ["b"], Rule.Route(Rule.To("b"))), 0);
        var before = compiler.Compile([a, b]);

        var after = compiler.Compile([a, new(Rule.Service("b", ["b"], Rule.Route("new", Rule.To("b"))), 0)]);

        Assert.Same(before.Routes("a.prod.svc.cluster.local")[0], after.Routes("a.prod.svc.cluster.local")[0]);
        Assert.NotSame(before.Routes("b.prod.svc.cluster.local")[0], after.Routes("b.prod.svc.cluster.local")[0]);
        Assert.Equal(before.Warnings(), after.Warnings());
        Assert.Single(after.Warnings());
    }

    [Fact]
    public void Compile_UnchangedButBad_IsBadEveryTime()
    {
        var compiler = Rule.Compiler();
        PlacedRule[] rules =
        [
            new(Rule.Service("target", [], Rule.When(Rule.Match() with { Uri = Rule.Regex("(") }, Rule.To("a"))), 0),
            new(Rule.Service("a", ["a"], Delegate("target")), 0),
            new(Rule.Service("b", ["b"], Delegate("target")), 0),
            new(Rule.Service("c", ["c"], Rule.When(Rule.Match() with { Method = Rule.Regex("[") }, Rule.To("a"))), 0),
        ];

        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(2, compiler.Compile(rules).Errors().Length);
        }
    }

    private static VirtualServiceConfig Weighted(params int?[] weights) =>
        Rule.Service("w", ["w"], Rule.Route([.. weights.Select(static (weight, i) => Rule.To($"h{i}", weight: weight))]));

    private static RouteConfig Delegate(string name) =>
        new() { Location = Rule.At("route"), Delegate = new DelegateConfig(name, null, Rule.At("delegate")) };
}
