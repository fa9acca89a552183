using Mesh.Discovery.Security.Authorization;
using static Mesh.Discovery.Tests.Security.Authorization.Policies;

namespace Mesh.Discovery.Tests.Security.Authorization;

/// <summary>Istio's semantics, field by field.</summary>
public sealed class AuthorizationPolicyTests
{
    private const string Reviews = "cluster.local/ns/prod/sa/reviews";

    [Theory]
    [InlineData("cluster.local/ns/prod/sa/reviews", Reviews, true)]
    [InlineData("spiffe://cluster.local/ns/prod/sa/reviews", Reviews, true)]
    [InlineData("cluster.local/ns/prod/sa/review", Reviews, false)]
    [InlineData("cluster.local/ns/prod/sa/*", Reviews, true)]
    [InlineData("cluster.local/*", Reviews, true)]
    [InlineData("*/sa/reviews", Reviews, true)]
    [InlineData("*/sa/views", Reviews, false)]
    [InlineData("*/ns/prod/sa/reviews", "other.example/ns/prod/sa/reviews", true)]
    [InlineData("*", Reviews, true)]
    [InlineData("*", null, false)]
    [InlineData("cluster.local/ns/prod/sa/reviews", "other.example/ns/prod/sa/reviews", false)]
    [InlineData("other.example/ns/prod/sa/reviews", "other.example/ns/prod/sa/reviews", true)]
    [InlineData("cluster.local/ns/default/dc/dc1/svc/web", "cluster.local/ns/default/dc/dc1/svc/web", true)]
    public void Principals_OfTable_MatchAsInIstio(string value, string? peer, bool matches) =>
        AssertField("source", "principals", value, Request(peer: peer), matches);

    [Theory]
    [InlineData("cluster.local/ns/prod/sa/reviews", "mesh.example/ns/prod/sa/reviews", true)]
    [InlineData("cluster.local/ns/prod/sa/reviews", "old.example/ns/prod/sa/reviews", true)]
    [InlineData("old.example/ns/prod/sa/reviews", "mesh.example/ns/prod/sa/reviews", true)]
    [InlineData("old.example/ns/prod/*", "mesh.example/ns/prod/sa/reviews", true)]
    [InlineData("mesh.example/ns/prod/sa/reviews", "old.example/ns/prod/sa/reviews", true)]
    [InlineData("mesh.example/ns/prod/sa/reviews", "other.example/ns/prod/sa/reviews", false)]
    [InlineData("cluster.local/ns/prod/sa/reviews", "cluster.local/ns/prod/sa/reviews", false)]
    public void Principals_OwnTrustDomainAndAliases_MeanEachOther(string value, string peer, bool matches)
    {
        var workload = Ratings with { TrustDomainAliases = ["old.example"] };
        var request = Request(peer: peer, trustDomain: "mesh.example");

        var decision = Compile(workload, Policy($"rules: [ {{ from: [ {{ source: {{ principals: [ \"{value}\" ] }} }} ] }} ]"))!.Decide(in request);

        Assert.Equal(matches, decision.IsAllowed);
    }

    [Theory]
    [InlineData("prod", Reviews, true)]
    [InlineData("pro", Reviews, false)]
    [InlineData("pr*", Reviews, true)]
    [InlineData("*od", Reviews, true)]
    [InlineData("*", Reviews, true)]
    [InlineData("*", null, false)]
    [InlineData("default", "cluster.local/ns/default/dc/dc1/svc/web", true)]
    public void Namespaces_OfTable_MatchAsInIstio(string value, string? peer, bool matches) =>
        AssertField("source", "namespaces", value, Request(peer: peer), matches);

    [Theory]
    [InlineData("reviews", Reviews, true)]
    [InlineData("prod/reviews", Reviews, true)]
    [InlineData("dev/reviews", Reviews, false)]
    [InlineData("reviews", "cluster.local/ns/dev/sa/reviews", false)]
    [InlineData("reviews", "other.example/ns/prod/sa/reviews", true)]
    [InlineData("reviews", null, false)]
    [InlineData("web", "cluster.local/ns/prod/dc/dc1/svc/web", false)]
    public void ServiceAccounts_OfTable_MatchInThePolicysNamespace(string value, string? peer, bool matches) =>
        AssertField("source", "serviceAccounts", value, Request(peer: peer), matches);

    [Theory]
    [InlineData("cluster.local", Reviews, true)]
    [InlineData("*.local", Reviews, true)]
    [InlineData("other.example", Reviews, false)]
    [InlineData("other.example", "other.example/ns/prod/sa/reviews", true)]
    [InlineData("*", null, false)]
    public void TrustDomains_OfTable_Match(string value, string? peer, bool matches) =>
        AssertField("source", "trustDomains", value, Request(peer: peer), matches);

    [Theory]
    [InlineData("https://issuer.example/alice", "https://issuer.example/alice", true)]
    [InlineData("https://issuer.example/*", "https://issuer.example/alice", true)]
    [InlineData("*/alice", "https://issuer.example/alice", true)]
    [InlineData("*", "https://issuer.example/alice", true)]
    [InlineData("*", null, false)]
    [InlineData("https://issuer.example/bob", "https://issuer.example/alice", false)]
    public void RequestPrincipals_OfTable_Match(string value, string? principal, bool matches) =>
        AssertField("source", "requestPrincipals", value, Request(principal: principal), matches);

    [Theory]
    [InlineData("10.1.2.3", "10.1.2.3", true)]
    [InlineData("10.1.0.0/16", "10.1.2.3", true)]
    [InlineData("10.1.2.99/16", "10.1.2.3", true)]
    [InlineData("10.2.0.0/16", "10.1.2.3", false)]
    [InlineData("0.0.0.0/0", "10.1.2.3", true)]
    [InlineData("10.1.2.3", "::ffff:10.1.2.3", true)]
    [InlineData("::ffff:10.1.0.0/112", "10.1.2.3", true)]
    [InlineData("2001:db8::/32", "2001:db8::7", true)]
    [InlineData("::/0", "10.1.2.3", false)]
    [InlineData("10.1.2.3", null, false)]
    public void Addresses_OfTable_Match(string value, string? address, bool matches)
    {
        AssertField("source", "ipBlocks", value, Request(address: address), matches);
        AssertField("source", "remoteIpBlocks", value, Request(address: address), matches);
        AssertCondition("source.ip", value, Request(address: address), matches);
        AssertCondition("remote.ip", value, Request(address: address), matches);
    }

    [Theory]
    [InlineData("ratings", "ratings", true)]
    [InlineData("Ratings", "rATINGS", true)]
    [InlineData("*.example.com", "a.EXAMPLE.com", true)]
    [InlineData("ratings.*", "ratings.prod", true)]
    [InlineData("*", "anything", true)]
    [InlineData("*", "", false)]
    [InlineData("other", "ratings", false)]
    public void Hosts_OfTable_MatchInAnyCase(string value, string host, bool matches) =>
        AssertField("operation", "hosts", value, Request(host: host), matches);

    [Theory]
    [InlineData("9080", 9080, true)]
    [InlineData("9081", 9080, false)]
    public void Ports_OfTable_Match(string value, int port, bool matches)
    {
        AssertField("operation", "ports", value, Request(port: port), matches);
        AssertCondition("destination.port", value, Request(port: port), matches);
    }

    [Theory]
    [InlineData("GET", "GET", true)]
    [InlineData("G*", "GET", true)]
    [InlineData("*T", "GET", true)]
    [InlineData("*", "GET", true)]
    [InlineData("POST", "GET", false)]
    public void Methods_OfTable_Match(string value, string method, bool matches) =>
        AssertField("operation", "methods", value, Request(method: method), matches);

    [Theory]
    [InlineData("/info", "/info", true)]
    [InlineData("/info", "/info?a=b", true)]
    [InlineData("/info", "/info2", false)]
    [InlineData("/info*", "/info2", true)]
    [InlineData("*/info", "/a/info", true)]
    [InlineData("*", "/a", true)]
    [InlineData("/foo/{*}", "/foo/bar", true)]
    [InlineData("/foo/{*}", "/foo/bar/baz", false)]
    [InlineData("/foo/{*}/baz", "/foo/bar/baz", true)]
    [InlineData("/foo/{**}", "/foo/bar/baz", true)]
    [InlineData("/foo/{**}", "/foo/", true)]
    [InlineData("/foo/{**}/baz", "/foo/a/b/baz", true)]
    [InlineData("/foo/{**}/baz", "/foo/a/b/bar", false)]
    [InlineData("/{*}/b/{**}", "/a/b/c/d", true)]
    [InlineData("/{*}/b/{**}", "/a/c/c/d", false)]
    [InlineData("/package.service/method", "/package.service/method", true)]
    [InlineData("/a%20b", "/a%20b", true)]
    [InlineData("/a;v=1", "/a;v=1", true)]
    [InlineData("/a%2Fb", "/a%2Fb", true)]
    [InlineData("/a%2Fb", "/a/b", false)]
    public void Paths_OfTable_MatchAsInIstio(string value, string path, bool matches) =>
        AssertField("operation", "paths", value, Request(path), matches);

    [Theory]
    [InlineData("request.headers[user-agent]", "Mozilla/*", true)]
    [InlineData("request.headers[User-Agent]", "Mozilla/5", true)]
    [InlineData("request.headers[User-Agent]", "mozilla/5", false)]
    [InlineData("request.headers[User-Agent]", "*", true)]
    [InlineData("request.headers[x-none]", "*", false)]
    [InlineData("request.headers[:authority]", "ratings", true)]
    [InlineData("request.headers[:method]", "GET", true)]
    [InlineData("source.namespace", "prod", true)]
    [InlineData("source.principal", "*/sa/reviews", true)]
    [InlineData("source.serviceAccount", "prod/reviews", true)]
    [InlineData("request.auth.principal", "https://i/alice", true)]
    [InlineData("request.auth.principal", "https://i/bob", false)]
    [InlineData("request.auth.audiences", "orders", true)]
    [InlineData("request.auth.audiences", "other", false)]
    [InlineData("request.auth.presenter", "app*", true)]
    [InlineData("request.auth.claims[iss]", "https://i", true)]
    [InlineData("request.auth.claims[groups]", "admin", true)]
    [InlineData("request.auth.claims[groups]", "*", true)]
    [InlineData("request.auth.claims[groups]", "root", false)]
    [InlineData("request.auth.claims[scope]", "write", true)]
    [InlineData("request.auth.claims[scope]", "read write", false)]
    [InlineData("request.auth.claims[name]", "Al Smith", true)]
    [InlineData("request.auth.claims[realm][roles]", "editor", true)]
    [InlineData("request.auth.claims[realm][none]", "editor", false)]
    [InlineData("request.auth.claims[iss][x]", "editor", false)]
    [InlineData("request.auth.claims[none]", "*", false)]
    [InlineData("destination.ip", "10.9.0.0/16", true)]
    [InlineData("connection.sni", "*.example.com", true)]
    public void When_OfTable_MatchesAsInIstio(string key, string value, bool matches) =>
        AssertCondition(
            key, value,
            Request(
                principal: "https://i/alice", serverName: "a.example.com", headers: [("User-Agent", ["Mozilla/5"])],
                claims: """
                { "iss": "https://i", "aud": [ "orders", "cart" ], "azp": "app-1", "groups": [ "admin", "user" ], "scope": "read write",
                  "name": "Al Smith", "realm": { "roles": [ "editor" ] }, "level": 7 }
                """),
            matches);

    [Fact]
    public void When_NumberAsClaim_DeniesButDoesNotAllow()
    {
        var request = Request(claims: """{ "level": 7 }""");

        Assert.False(Matches("ALLOW", "when: [ { key: \"request.auth.claims[level]\", values: [ \"7\" ] } ]", request));
        Assert.True(Matches("DENY", "when: [ { key: \"request.auth.claims[level]\", values: [ \"7\" ] } ]", request));
    }

    [Fact]
    public void Rule_IstiosFirstExample_AllowsWhatItSays()
    {
        var authorizer = Compile(
            """
            action: ALLOW
            rules:
            - from:
              - source: { principals: [ cluster.local/ns/default/sa/sleep ] }
              - source: { namespaces: [ test ] }
              to:
              - operation: { methods: [ GET ], paths: [ /info* ] }
              - operation: { methods: [ POST ], paths: [ /data ] }
              when:
              - { key: "request.auth.claims[iss]", values: [ "https://accounts.google.com" ] }
            """);
        const string Sleep = "cluster.local/ns/default/sa/sleep";
        const string Google = """{ "iss": "https://accounts.google.com" }""";

        Assert.True(Allows(Request("/info1", "GET", Sleep, claims: Google)));
        Assert.True(Allows(Request("/data", "POST", "cluster.local/ns/test/sa/x", claims: Google)));
        Assert.False(Allows(Request("/info1", "POST", Sleep, claims: Google)));
        Assert.False(Allows(Request("/info1", "GET", Sleep)));
        Assert.False(Allows(Request("/info1", "GET", Reviews, claims: Google)));

        bool Allows(RequestFacts request) => authorizer.Decide(in request).IsAllowed;
    }

    [Theory]
    [InlineData("{}", false)]
    [InlineData("rules: []", false)]
    [InlineData("rules: [ {} ]", true)]
    [InlineData("action: DENY\nrules: [ {} ]", false)]
    [InlineData("action: AUDIT\nrules: [ {} ]", true)]
    public void Policy_WithoutConditions_IsAllOrNothing(string spec, bool isAllowed)
    {
        var request = Request();

        Assert.Equal(isAllowed, Compile(spec).Decide(in request).IsAllowed);
    }

    [Fact]
    public void Fields_OfOneSource_AllHaveToMatch()
    {
        const string Rule = "from: [ { source: { namespaces: [ prod ], notPrincipals: [ \"*/sa/evil\" ] } } ]";

        Assert.True(Matches("ALLOW", Rule, Request()));
        Assert.False(Matches("ALLOW", Rule, Request(peer: "cluster.local/ns/prod/sa/evil")));
        Assert.False(Matches("ALLOW", Rule, Request(peer: null)));
    }

    [Fact]
    public void NotPrincipals_CallerWithoutIdentity_IsNoneOfThem()
    {
        Assert.True(Matches("DENY", "from: [ { source: { notPrincipals: [ \"*\" ] } } ]", Request(peer: null)));
        Assert.False(Matches("DENY", "from: [ { source: { notPrincipals: [ \"*\" ] } } ]", Request()));
        Assert.True(Matches("DENY", "from: [ { source: { notRequestPrincipals: [ \"*\" ] } } ]", Request()));
    }

    [Fact]
    public void Decide_DenyAndAllowMatch_DenyWins()
    {
        var authorizer = Compile(
            Ratings,
            Policy("rules: [ {} ]", "open"),
            Policy("action: DENY\nrules: [ { to: [ { operation: { paths: [ /x ] } } ] }, { to: [ { operation: { paths: [ /secret ] } } ] } ]", "closed"))!;
        var (secret, other) = (Request("/secret"), Request("/other"));

        var denied = authorizer.Decide(in secret).Denied!;
        var allowed = authorizer.Decide(in other);

        Assert.Equal(("DENY", "prod/closed", 1), (denied.Action, denied.Policy, denied.Rule));
        Assert.Equal("rule 1 of the DENY policy prod/closed denies it", denied.Reason);
        Assert.Equal(("prod/open", 0), (allowed.Allowed!.Policy, allowed.Allowed.Rule));
    }

    [Fact]
    public void Decide_NoAllowPolicyMatches_NamesThemAll()
    {
        var authorizer = Compile(
            Ratings, Policy("{}", "b"), Policy("rules: [ { to: [ { operation: { paths: [ /a ] } } ] } ]", "a"))!;
        var request = Request("/b");

        var denied = authorizer.Decide(in request).Denied!;

        Assert.Equal("no rule of the ALLOW policies prod/a, prod/b matches it", denied.Reason);
        Assert.Equal(-1, denied.Rule);
    }

    [Fact]
    public void Create_PoliciesOfOthers_AreNothing()
    {
        Assert.Null(Compile(Ratings, Policy("{}", @namespace: "dev")));
        Assert.Null(Compile(Ratings, Policy("selector: { matchLabels: { app: reviews } }")));
        Assert.Null(Compile(Ratings, Policy("targetRefs: [ { kind: Service, group: \"\", name: reviews } ]")));
        Assert.NotNull(Compile(Ratings, Policy("selector: { matchLabels: { app: ratings } }")));
        Assert.NotNull(Compile(Ratings, Policy("targetRefs: [ { kind: Service, group: \"\", name: ratings } ]")));
        Assert.NotNull(Compile(Ratings, Policy("{}", @namespace: "istio-system")));
    }

    [Fact]
    public void Decide_DryRun_OnlyTells()
    {
        const string Try = ", annotations: { \"istio.io/dry-run\": \"true\" }";
        var authorizer = Compile(
            Ratings,
            Policy("action: DENY\nrules: [ { to: [ { operation: { paths: [ /a ] } } ] } ]", "no", metadata: Try),
            Policy("rules: [ { to: [ { operation: { paths: [ /b ] } } ] } ]", "yes", metadata: Try),
            Policy("action: AUDIT\nrules: [ { to: [ { operation: { paths: [ /b ] } } ] } ]", "look"))!;

        var (a, b, c) = (Decide("/a"), Decide("/b"), Decide("/c"));

        Assert.All([a, b, c], static decision => Assert.True(decision.IsAllowed));
        Assert.Equal("prod/no", a.Shadow!.Policy);
        Assert.Null(b.Shadow);
        Assert.Equal("prod/look", b.Audit!.Policy);
        Assert.Equal("no rule of the ALLOW policies prod/yes matches it", c.Shadow!.Reason);

        AuthorizationDecision Decide(string path)
        {
            var request = Request(path);
            return authorizer.Decide(in request);
        }
    }

    [Fact]
    public void Decide_AllowedInForce_StaysAllowedWithATriedAllow()
    {
        var authorizer = Compile(
            Ratings, Policy("rules: [ {} ]", "all"), Policy("{}", "none", metadata: ", annotations: { \"istio.io/dry-run\": \"true\" }"))!;
        var request = Request();

        Assert.Null(authorizer.Decide(in request).Shadow);
    }

    /// <summary>In all four ways: ALLOW and DENY, the field and its not-form.</summary>
    private static void AssertField(string part, string field, string value, RequestFacts request, bool matches)
    {
        var list = part == "source" ? "from" : "to";
        var not = $"not{char.ToUpperInvariant(field[0])}{field[1..]}";
        foreach (var action in (string[])["ALLOW", "DENY"])
        {
            Assert.Equal(matches, Matches(action, $"{list}: [ {{ {part}: {{ {field}: [ {Filler(field)}, \"{value}\" ] }} }} ]", request));
            Assert.Equal(!matches, Matches(action, $"{list}: [ {{ {part}: {{ {not}: [ \"{value}\" ] }} }} ]", request));
        }
    }

    private static void AssertCondition(string key, string value, RequestFacts request, bool matches)
    {
        foreach (var action in (string[])["ALLOW", "DENY"])
        {
            // What reads case and numbers leniently is looked at elsewhere.
            Assert.Equal(matches, Matches(action, $"when: [ {{ key: \"{key}\", values: [ \"{value}\" ] }} ]", request));
            Assert.Equal(!matches, Matches(action, $"when: [ {{ key: \"{key}\", notValues: [ \"{value}\" ] }} ]", request));
        }
    }

    /// <summary>Another value that does not match: any of a list is enough.</summary>
    private static string Filler(string field) => field switch
    {
        "ipBlocks" or "remoteIpBlocks" => "203.0.113.1",
        "ports" => "\"1\"",
        _ => "zzz-none",
    };
}
