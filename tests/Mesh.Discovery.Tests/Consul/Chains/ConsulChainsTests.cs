using Mesh.Discovery.Consul.Chains;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Tests.Routing;

namespace Mesh.Discovery.Tests.Consul.Chains;

public class ConsulChainsTests
{
    private const string Suffix = ".prod.svc.cluster.local";

    private readonly ConsulChains _chains = new("prod");

    private VirtualServiceConfig Routes => Assert.Single(_chains.Batch.Rules.OfType<VirtualServiceConfig>());

    [Fact]
    public void Update_RealRouter_RoutesInOrderWithTheSplitLast()
    {
        _chains.Update("x", ConsulSamples.Sample("x"));

        Assert.Empty(_chains.Batch.Issues);
        var rule = Routes;
        Assert.Equal(("consul:x", "prod", "x" + Suffix), (rule.Name, rule.Namespace, Assert.Single(rule.Hosts)));
        Assert.Equal(new SourceLocation("consul discovery-chain/x", "", 0, "DiscoveryChain x"), rule.Location);
        Assert.Equal(4, rule.Http.Count);

        var admin = rule.Http[0];
        Assert.Equal("router.Routes[0]", admin.Location.Path);
        Assert.Equal(["GET", "PUT"], admin.Match.Select(static m => m.Method!.Value));
        Assert.All(admin.Match, static match =>
        {
            Assert.Equal((StringMatchKind.Prefix, "/admin"), (match.Uri!.Kind, match.Uri.Value));
            Assert.Equal("x-user=jason", $"{match.Headers[0].Name}={match.Headers[0].Match.Value}");
            Assert.Equal(("x-debug", StringMatchKind.Present), (match.WithoutHeaders[0].Name, match.WithoutHeaders[0].Match.Kind));
            Assert.Equal(("q", StringMatchKind.Regex, "a.*"), (match.QueryParams[0].Name, match.QueryParams[0].Match.Kind, match.QueryParams[0].Match.Value));
        });
        Assert.Equal("/", admin.Rewrite!.Uri);
        Assert.Equal(TimeSpan.FromSeconds(5), admin.Timeout);
        Assert.Equal((3, "connect-failure,503,504"), (admin.Retries!.Attempts, admin.Retries.RetryOn));
        Assert.Equal("y" + Suffix + " x1", Show(admin));

        Assert.Equal($"x{Suffix}/v2 x1 else x{Suffix}/v1", Show(rule.Http[1]));
        Assert.Null(rule.Http[1].Retries);
        Assert.Equal($"x{Suffix}/v1 x9 else y{Suffix}; x{Suffix}/v2 x1 else x{Suffix}/v1", Show(rule.Http[3]));
        Assert.Empty(rule.Http[3].Match);
        Assert.Equal("router.Routes[3].Splits[1]", rule.Http[3].Route[1].Location.Path);
        Assert.Equal("router.Routes[3].Splits[0].Failover.Targets[0]", rule.Http[3].Route[0].Failover[0].Location.Path);
    }

    [Fact]
    public void Update_RealChains_OneDestinationRuleForTheHostAndAllCompiles()
    {
        foreach (var name in new[] { "x", "y", "z", "unknown" })
        {
            _chains.Update(name, ConsulSamples.Sample(name));
        }

        Assert.Equal(["consul:x", "consul:z"], _chains.Batch.Rules.OfType<VirtualServiceConfig>().Select(static r => r.Name));
        var rule = Assert.Single(_chains.Batch.Rules.OfType<DestinationRuleConfig>());
        Assert.Equal(("consul:x", "x" + Suffix), (rule.Name, rule.Host));
        Assert.Equal(["v1: Service.Meta.version == v1 True", "v2: Service.Meta.version == v2 False"],
            rule.Subsets.Select(static s => $"{s.Name}: {s.Filter!.Text} {s.OnlyPassing}"));
        var compiled = Rule.Compiler().Compile([.. _chains.Batch.Rules.Select(static rule => new PlacedRule(rule, 2))]);
        Assert.Empty(compiled.Issues.Issues);
        Assert.Equal(3, compiled.InEffect.Count);
    }

    [Fact]
    public void Update_NothingOrAnotherServiceChanges_TheSameObjects()
    {
        _chains.Update("x", ConsulSamples.Sample("x"));
        var before = _chains.Batch;

        Assert.False(_chains.Update("x", ConsulSamples.Sample("x")));
        Assert.Same(before, _chains.Batch);

        Assert.True(_chains.Update("z", ConsulSamples.Sample("z")));
        Assert.Equal(before.Rules, _chains.Batch.Rules.Where(before.Rules.Contains));

        Assert.True(_chains.Update("z", null));
        Assert.False(_chains.Update("z", null));
        Assert.Equal(before.Rules, _chains.Batch.Rules);
    }

    [Theory]
    [InlineData("y")]
    [InlineData("unknown")]
    public void Update_ChainThatSaysNothing_GivesNoRule(string sample)
    {
        _chains.Update(sample, ConsulSamples.Sample(sample));

        Assert.Empty(_chains.Batch.Rules);
        Assert.Empty(_chains.Batch.Issues);
    }

    [Theory]
    [InlineData("x", "", null)]
    [InlineData("v1", "", "x/v1 x1")]
    [InlineData("y", "", "y x1")]
    [InlineData("f", """ "f": { "Type": "resolver", "Resolver": { "Target": "x", "Failover": { "Targets": [ "far", "v1" ] } } } """, "x x1 else x.service.dc2.consul else x/v1")]
    [InlineData("d", """ "d": { "Type": "resolver", "Resolver": { "Target": "far" } } """, "x.service.dc2.consul x1")]
    [InlineData("s", """ "s": { "Type": "splitter", "Splits": [ { "Weight": 99.99, "NextNode": "x" }, { "Weight": 0.01, "NextNode": "y" } ] } """, "x x9999; y x1")]
    [InlineData("s", """ "s": { "Type": "splitter", "Splits": [ { "Weight": 100, "NextNode": "x" }, { "Weight": 0, "NextNode": "nowhere" } ] } """, "x x1")]
    [InlineData("s", """ "s": { "Type": "splitter", "Splits": [ { "Weight": 50, "NextNode": "t" }, { "Weight": 50, "NextNode": "y" } ] }, "t": { "Type": "splitter", "Splits": [ { "Weight": 33.33, "NextNode": "v1" }, { "Weight": 66.67, "NextNode": "v2" } ] } """, "x/v1 x3333; x/v2 x6667; y x10000")]
    public void Update_Chain_LeadsTo(string start, string nodes, string? expected)
    {
        _chains.Update("x", ConsulSamples.Chain(start, nodes, """ "far": { "Service": "x", "Datacenter": "DC2" } """));

        Assert.Empty(_chains.Batch.Issues);
        var route = _chains.Batch.Rules.OfType<VirtualServiceConfig>().SingleOrDefault()?.Http[0];
        Assert.Equal(expected, route is null ? null : Show(route).Replace(Suffix, "", StringComparison.Ordinal));
        Assert.Empty(Rule.Compiler().Compile([.. _chains.Batch.Rules.Select(static rule => new PlacedRule(rule, 2))]).Errors());
    }

    [Fact]
    public void Update_CatchAllOfTheUser_ConsulsOwnIsLeftOut()
    {
        _chains.Update("x", ConsulSamples.Route());

        Assert.Equal("y" + Suffix + " x1", Show(Assert.Single(Routes.Http)));
        Assert.Empty(Routes.Http[0].Match);
    }

    [Theory]
    [InlineData("""{ "PathPrefix": "/A", "CaseInsensitive": true }""", "http://x/ab", true)]
    [InlineData("""{ "PathPrefix": "/A" }""", "http://x/ab", false)]
    [InlineData("""{ "PathRegex": "/A", "CaseInsensitive": true }""", "http://x/a", false)]
    [InlineData("""{ "Header": [ { "Name": "h", "Suffix": "lue" } ] }""", "http://x/", true)]
    [InlineData("""{ "Header": [ { "Name": "h", "Suffix": "LUE" } ] }""", "http://x/", false)]
    [InlineData("""{ "Header": [ { "Name": "h", "Suffix": "LUE", "IgnoreCase": true } ] }""", "http://x/", true)]
    [InlineData("""{ "Header": [ { "Name": "h", "Contains": "alu" } ] }""", "http://x/", true)]
    [InlineData("""{ "Header": [ { "Name": "h", "Contains": "x.y" } ] }""", "http://x/", false)]
    [InlineData("""{ "Header": [ { "Name": "h", "Exact": "other", "Invert": true } ] }""", "http://x/", true)]
    [InlineData("""{ "Header": [ { "Name": "h", "Exact": "value", "Invert": true } ] }""", "http://x/", false)]
    [InlineData("""{ "Header": [ { "Name": "absent", "Exact": "value", "Invert": true } ] }""", "http://x/", false)]
    [InlineData("""{ "Header": [ { "Name": "absent", "Present": true, "Invert": true } ] }""", "http://x/", true)]
    [InlineData("""{ "Methods": [ "PUT", "get" ] }""", "http://x/", true)]
    [InlineData("""{ "Methods": [ "PUT" ] }""", "http://x/", false)]
    [InlineData("""{ "QueryParam": [ { "Name": "q", "Present": true } ], "New": "" }""", "http://x/?q", true)]
    [InlineData("""{ "QueryParam": [ { "Name": "q", "Exact": "1" } ] }""", "http://x/?q=2", false)]
    public void Decide_Condition_AsInConsul(string http, string uri, bool matches)
    {
        _chains.Update("x", ConsulSamples.Route(http));
        var compiled = Rule.Compiler().Compile([.. _chains.Batch.Rules.Select(static rule => new PlacedRule(rule, 2))]);

        var decision = compiled.Tables.Find("x" + Suffix)!.Decide(Rule.Request(uri).With("h", "value"), new FixedRandom(0));

        Assert.Equal(matches ? "y" : "x", decision.Arm!.Key.Service.Name);
    }

    [Theory]
    [InlineData("""{ "PathGlob": "/a*" }""", "router.Routes[0].Match.HTTP.PathGlob", "the condition 'PathGlob' is not supported")]
    [InlineData("""{ "Header": [ { "Name": "h", "Exact": "a", "Fuzzy": true } ] }""", "router.Routes[0].Match.HTTP.Header[0].Fuzzy", "is not supported")]
    [InlineData("""{ "Header": [ { "Name": "h" } ] }""", "router.Routes[0].Match.HTTP.Header[0]", "one of Present, Exact")]
    [InlineData("""{ "Header": [ { "Name": "h", "Exact": "a", "Prefix": "b" } ] }""", "router.Routes[0].Match.HTTP.Header[0]", "exactly one")]
    [InlineData("""{ "Header": [ { "Name": "a b", "Exact": "a" } ] }""", "router.Routes[0].Match.HTTP.Header[0]", "the name 'a b'")]
    [InlineData("""{ "QueryParam": [ { "Name": "q", "Prefix": "a" } ] }""", "router.Routes[0].Match.HTTP.QueryParam[0].Prefix", "is not supported")]
    [InlineData("""{ "Methods": [ "A B" ] }""", "router.Routes[0].Match.HTTP.Methods[0]", "is not a method")]
    [InlineData("""{ "PathExact": "/a", "PathPrefix": "/b" }""", "router.Routes[0].Match.HTTP", "at most one")]
    public void Update_ConditionNotUnderstood_ErrorAndNoRoutes(string http, string path, string reason)
    {
        _chains.Update("x", ConsulSamples.Route(http));

        AssertRefused(path, reason);
    }

    [Theory]
    [InlineData("none", "", "StartNode", "there is no node 'none'")]
    [InlineData("s", """ "s": { "Type": "splitter", "Splits": [ { "Weight": -1, "NextNode": "x" } ] } """, "splitter.Splits[0].Weight", "the weight -1")]
    [InlineData("s", """ "s": { "Type": "splitter", "Splits": [ { "Weight": 100, "NextNode": "s" } ] } """, "splitter.Splits[0]", "in a circle")]
    [InlineData("s", """ "s": { "Type": "splitter", "Splits": [ null ] } """, "splitter.Splits[0]", "null")]
    [InlineData("s", """ "s": { "Type": "splitter", "Splits": [] } """, "splitter", "no split has a weight")]
    [InlineData("t", """ "t": { "Type": "tower" } """, "tower", "of type 'tower' is not supported")]
    [InlineData("r", """ "r": { "Type": "resolver", "Resolver": { "Target": "none" } } """, "resolver.Target", "there is no target 'none'")]
    [InlineData("r", """ "r": { "Type": "resolver", "Resolver": { "Target": "peer" } } """, "resolver.Target", "in the peer 'far'")]
    [InlineData("r", """ "r": { "Type": "resolver", "Resolver": { "Target": "ns" } } """, "resolver.Target", "another namespace")]
    [InlineData("r", """ "r": { "Type": "resolver", "Resolver": { "Target": "dots" } } """, "resolver.Target", "the name 'a.b' is not supported")]
    [InlineData("r", """ "r": { "Type": "resolver", "Resolver": { "Target": "bad" } } """, "resolver.Target (subset bad).Filter", "at character 1: the selector 'Checks.Status'")]
    public void Update_ChainThatCannotBeUsed_Error(string start, string nodes, string path, string reason)
    {
        _chains.Update("x", ConsulSamples.Chain(start, nodes, """
            "peer": { "Service": "x", "Peer": "far" }, "ns": { "Service": "x", "Namespace": "team" }, "dots": { "Service": "a.b" },
            "bad": { "Service": "x", "ServiceSubset": "bad", "Subset": { "Filter": "Checks.Status == passing" } }
            """));

        AssertRefused(path, reason);
    }

    [Fact]
    public void Update_ServiceWithDots_IssueAndNoCrash()
    {
        _chains.Update("a.b", ConsulSamples.Chain("v1", ""));

        AssertRefused("ServiceName", "the name 'a.b' is not supported", "a.b");
    }

    [Fact]
    public void Update_ChainBreaks_ItsLastGoodRulesStayTheSameObjects()
    {
        _chains.Update("x", ConsulSamples.Sample("x"));
        var good = _chains.Batch.Rules;

        _chains.Update("x", ConsulSamples.Route("""{ "Glob": "x" }"""));

        Assert.Equal(good, _chains.Batch.Rules);
        Assert.Single(_chains.Batch.Issues);

        _chains.Update("x", ConsulSamples.Sample("x"));

        Assert.Empty(_chains.Batch.Issues);
    }

    [Fact]
    public void Update_Destination_IsMapped()
    {
        _chains.Update("x", ConsulSamples.Route("""{ "PathExact": "/a" }""", """
            { "PrefixRewrite": "/b", "RequestTimeout": "1m0s", "IdleTimeout": "3s", "NumRetries": 4000000000, "RetryOn": [ "reset", "envoy-ratelimited" ],
              "RetryOnStatusCodes": [ 503, 7 ], "RequestHeaders": { "Add": { "x-a": "1" }, "Set": { "x-b": "2" }, "Remove": [ "x-c" ] },
              "ResponseHeaders": { "Set": { "x-d": "4" } } }
            """));

        var route = Routes.Http[0];
        Assert.Equal(("/b", TimeSpan.FromMinutes(1)), (route.Rewrite!.Uri, route.Timeout));
        Assert.Equal((100, "reset,503"), (route.Retries!.Attempts, route.Retries.RetryOn));
        Assert.Equal([new("x-a", "1")], route.Headers!.Request.Add);
        Assert.Equal([new("x-b", "2")], route.Headers.Request.Set);
        Assert.Equal(["x-c"], route.Headers.Request.Remove);
        Assert.Equal([new("x-d", "4")], route.Headers.Response.Set);
        Assert.Equal(2, _chains.Batch.Issues.Count);
        Assert.All(_chains.Batch.Issues, static issue => Assert.Equal(IssueSeverity.Warning, issue.Severity));
    }

    [Theory]
    [InlineData(""" "RequestTimeout": 2000000000 """, 2.0)]
    [InlineData(""" "RequestTimeout": "-1s" """, 0.0)]
    [InlineData(""" "RequestTimeout": "9000h0m0s" """, 576 * 3600.0)]
    [InlineData(""" "ConnectTimeout": "3s" """, null)]
    public void Update_TimeoutOfTheResolver_IsTheRoutes(string resolver, double? seconds)
    {
        _chains.Update("x", ConsulSamples.Chain("r", $$""" "r": { "Type": "resolver", "Resolver": { "Target": "v1", {{resolver}} } } """));

        Assert.Equal(seconds, Routes.Http[0].Timeout?.TotalSeconds);
    }

    [Fact]
    public void Update_HeadersOfASplit_AreTheArms()
    {
        _chains.Update("x", ConsulSamples.Chain("s", """
            "s": { "Type": "splitter", "Splits": [
              { "Weight": 50, "NextNode": "v1", "Definition": { "Weight": 50, "RequestHeaders": { "Set": { "x-arm": "1" } }, "ResponseHeaders": { "Remove": [ "x-in" ] } } },
              { "Weight": 50, "NextNode": "v2" } ] }
            """));

        Assert.Equal([new("x-arm", "1")], Routes.Http[0].Route[0].Headers!.Request.Set);
        Assert.Equal(["x-in"], Routes.Http[0].Route[0].Headers!.Response.Remove);
        Assert.Null(Routes.Http[0].Route[1].Headers);
    }

    [Theory]
    [InlineData(""" "Policy": "least_request", "LeastRequestConfig": { "ChoiceCount": 5 } """, "LEAST_REQUEST")]
    [InlineData(""" "Policy": "round_robin" """, "ROUND_ROBIN")]
    [InlineData(""" "Policy": "random" """, "RANDOM")]
    [InlineData(""" "Policy": "maglev" """, "RANDOM")]
    [InlineData(""" "Policy": "maglev", "HashPolicies": [ { "SourceIP": true } ] """, "maglev source 1024")]
    [InlineData(""" "Policy": "ring_hash", "RingHashConfig": { "MinimumRingSize": 18446744073709551615 }, "HashPolicies": [ { "Field": "header", "FieldValue": "x-user" } ] """, "ring x-user 8388608")]
    [InlineData(""" "Policy": "ring_hash", "HashPolicies": [ { "Field": "query_parameter", "FieldValue": "q" } ] """, "ring ?q 1024")]
    [InlineData(""" "Policy": "ring_hash", "HashPolicies": [ { "Field": "cookie", "FieldValue": "c", "CookieConfig": { "TTL": "5s", "Path": "/p" } } ] """, "ring c=/p 5 1024")]
    [InlineData(""" "Policy": "ring_hash", "HashPolicies": [ { "Field": "cookie", "FieldValue": "c", "CookieConfig": { "Session": true } } ] """, "ring c= 0 1024")]
    public void Update_LoadBalancer_IsTheHosts(string loadBalancer, string expected)
    {
        _chains.Update("x", ConsulSamples.Chain("r", $$"""
            "r": { "Type": "resolver", "Resolver": { "Target": "x" }, "LoadBalancer": { {{loadBalancer}} } }
            """));

        var rule = Assert.IsType<DestinationRuleConfig>(Assert.Single(_chains.Batch.Rules));
        var policy = rule.TrafficPolicy.LoadBalancer!;
        var hash = policy.ConsistentHash;
        Assert.Equal(expected, policy.Simple ?? $"{(hash!.Maglev ? "maglev" : "ring")} "
            + (hash.UseSourceIp ? "source" : hash.HttpHeaderName ?? (hash.HttpQueryParameterName is { } q ? "?" + q
                : $"{hash.HttpCookie!.Name}={hash.HttpCookie.Path} {hash.HttpCookie.Ttl?.TotalSeconds}"))
            + $" {hash.MinimumRingSize}");
    }

    [Theory]
    [InlineData("""{ "Mode": "failover" }""", true, 0)]
    [InlineData("""{ "Mode": "none" }""", false, 0)]
    [InlineData("""{ "Mode": "nearest" }""", false, 1)]
    public void Update_PrioritizeByLocality_IsTheHosts(string locality, bool isOn, int issues)
    {
        _chains.Update("x", ConsulSamples.Chain("r", $$"""
            "r": { "Type": "resolver", "Resolver": { "Default": true, "Target": "x", "PrioritizeByLocality": {{locality}} },
              "LoadBalancer": { "Policy": "random" } }
            """));
        _chains.Update("y", ConsulSamples.Chain("r", $$"""
            "r": { "Type": "resolver", "Resolver": { "Target": "x", "PrioritizeByLocality": {{locality}} }, "LoadBalancer": { "Policy": "random" } }
            """));

        Assert.Equal(isOn, _chains.Batch.Rules.OfType<DestinationRuleConfig>()
            .All(static rule => rule.TrafficPolicy.LoadBalancer is { Simple: "RANDOM", LocalityLbSetting.Enabled: true }));
        Assert.Equal(issues > 0, _chains.Batch.Issues.Any(static issue => issue.Message.Contains("'nearest'", StringComparison.Ordinal)));
    }

    [Fact]
    public void Update_EverySplitterTwiceTheOther_IsBounded()
    {
        var nodes = string.Join(',', Enumerable.Range(0, 17).Select(static n => $$"""
            "s{{n}}": { "Type": "splitter", "Splits": [ {{string.Join(',', Enumerable.Repeat(
                $$"""{ "Weight": 50, "NextNode": "{{(n == 16 ? "x" : "s" + (n + 1))}}" }""", 8))}} ] }
            """));

        _chains.Update("x", ConsulSamples.Chain("s0", nodes));

        Assert.Empty(_chains.Batch.Rules);
        Assert.Contains("more than", Assert.Single(_chains.Batch.Issues).Message, StringComparison.Ordinal);
    }

    private void AssertRefused(string path, string reason, string service = "x")
    {
        Assert.Empty(_chains.Batch.Rules);
        var issue = Assert.Single(_chains.Batch.Issues);
        Assert.Equal(IssueSeverity.Error, issue.Severity);
        Assert.Equal((path, $"DiscoveryChain {service}"), (issue.Location.Path, issue.Location.Document));
        Assert.Contains(reason, issue.Message, StringComparison.Ordinal);
    }

    private static string Show(RouteConfig route) => string.Join("; ", route.Route.Select(static arm =>
        $"{arm.Host}{(arm.Subset is null ? "" : "/" + arm.Subset)} x{arm.Weight}"
        + string.Concat(arm.Failover.Select(static f => $" else {f.Host}{(f.Subset is null ? "" : "/" + f.Subset)}"))));
}
