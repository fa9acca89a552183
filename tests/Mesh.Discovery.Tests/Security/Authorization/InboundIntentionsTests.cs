using System.Text.Json;
using Mesh.Discovery.Consul.Chains;
using Mesh.Discovery.Consul.Intentions;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Security.Authorization;
using static Mesh.Discovery.Tests.Security.Authorization.Policies;

namespace Mesh.Discovery.Tests.Security.Authorization;

/// <summary>Consul's intentions where the process is the one that is called.</summary>
public sealed class InboundIntentionsTests
{
    private const string Web = "cluster.local/ns/default/dc/dc1/svc/web";

    [Theory]
    [InlineData(Web, "intention web → ratings")]
    [InlineData("cluster.local/ns/prod/sa/web", "intention web → ratings")]
    [InlineData("cluster.local/ns/default/dc/dc2/svc/web", "intention web → ratings")]
    [InlineData("cluster.local/ns/prod/sa/reviews", null)]

    // Nobody knows that it is not web.
    [InlineData("other.example/ns/default/dc/dc1/svc/web", "intention web → ratings")]
    [InlineData("other.example/ns/default/dc/dc1/svc/reviews", "intention web → ratings")]
    [InlineData(null, "intention web → ratings")]
    public void Decide_SourceDenied_NamesTheIntention(string? peer, string? denial) =>
        Assert.Equal(denial, Decide(peer, Of("web", "ratings", "deny"))?.Policy);

    [Fact]
    public void Decide_SeveralFit_TheMostPreciseDecides()
    {
        Assert.Null(Decide(Web, Of("web", "ratings", "allow"), Of("*", "ratings", "deny")));
        Assert.Equal("intention * → ratings", Decide(Web, Of("*", "ratings", "deny"), Of("web", "*", "allow"))?.Policy);
        Assert.Equal("intention web → *", Decide(Web, Of("web", "*", "deny"), Of("*", "*", "allow"))?.Policy);
        Assert.Null(Decide(Web, Of("web", "reviews", "deny")));
    }

    [Fact]
    public void Decide_NoIdentity_IsAllowedByTheWildcardOnlyAndDeniedByAnybodys()
    {
        Assert.Equal("intention * → ratings", Decide(null, Of("web", "ratings", "allow"), Of("*", "ratings", "deny"))?.Policy);
        Assert.Equal("intention web → ratings", Decide(null, Of("web", "ratings", "deny"), Of("*", "ratings", "allow"))?.Policy);
        Assert.Null(Decide(null, Of("web", "ratings", "allow"), Of("*", "ratings", "allow")));
    }

    [Theory]
    [InlineData(false, "intentions' default")]
    [InlineData(true, null)]
    [InlineData(null, null)]
    public void Decide_NoIntention_ConsulsDefaultHolds(bool? allow, string? denial)
    {
        var byDefault = allow is { } known
            ? new IntentionDefaultConfig { Name = "d", Namespace = "", Location = default, Allow = known }
            : null;

        Assert.Equal(denial, Decide(Request(peer: Web), byDefault, Of("other", "ratings", "deny"))?.Policy);
        Assert.Null(Decide(Request(peer: Web), byDefault, Of("web", "ratings", "allow")));
    }

    [Theory]
    [InlineData("GET", "/admin", true)]
    [InlineData("GET", "/ADMIN/x", true)]
    [InlineData("GET", "/x/..%2fadmin", true)]
    [InlineData("GET", "/other", false)]
    [InlineData("POST", "/other", true)]
    [InlineData("GET", "/other/../x", false)]
    public void Decide_Permissions_FirstDecidesAndNoneDenies(string method, string path, bool isDenied)
    {
        var intention = Of("web", "ratings", null, """
            [ { "Action": "deny", "HTTP": { "PathPrefix": "/admin" } }, { "Action": "allow", "HTTP": { "PathPrefix": "/", "Methods": [ "GET" ] } } ]
            """);

        Assert.Equal(isDenied, Decide(Request(path, method, Web), null, intention) is not null);
    }

    [Fact]
    public void Decide_PermissionByHeader_LooksAtAllLines()
    {
        var intention = Of("web", "ratings", null, """
            [ { "Action": "allow", "HTTP": { "Header": [ { "Name": "x-role", "Exact": "admin" }, { "Name": "x-bad", "Present": true, "Invert": true } ] } } ]
            """);

        Assert.Null(Decide(Request(peer: Web, headers: [("x-role", ["admin"])]), null, intention));
        Assert.NotNull(Decide(Request(peer: Web, headers: [("x-role", ["admin", "guest"])]), null, intention));
        Assert.NotNull(Decide(Request(peer: Web, headers: [("x-role", ["admin"]), ("x-bad", ["1"])]), null, intention));
        Assert.NotNull(Decide(Request(peer: Web), null, intention));
    }

    [Fact]
    public void Decide_ConditionNotUnderstood_DeniesEverythingOfThatCaller()
    {
        var intention = Of("web", "ratings", null, """[ { "Action": "allow", "JWT": { "Providers": [ { "Name": "a" } ] } } ]""");

        Assert.Contains("a condition that is not supported", Decide(Web, intention)!.Reason, StringComparison.Ordinal);
        Assert.Null(Decide("cluster.local/ns/prod/sa/reviews", intention));
    }

    [Fact]
    public void Create_NoIdentityOfItsOwn_AsksNobody() =>
        Assert.Null(Compile(Ratings with { HasIdentity = false }, [.. Rules(Of("*", "*", "deny"))]));

    [Fact]
    public void Create_IntentionsThatAllow_CostNothing() => Assert.Null(Compile(Ratings, [.. Rules(Of("web", "ratings", "allow"))]));

    [Fact]
    public void Decide_IntentionAllowsAndPolicyDoesNot_IsDenied()
    {
        var policy = Mesh.Discovery.Tests.Rules.Reading.Reader.One<AuthorizationPolicyConfig>(Policy("{}", "nothing"));
        var authorizer = Compile(Ratings, [.. Rules(Of("web", "ratings", "allow"), Of("*", "ratings", "deny")), policy])!;
        var (web, other) = (Request(peer: Web), Request());

        Assert.Equal("prod/nothing", authorizer.Decide(in web).Denied!.Policy);
        Assert.Equal("intention * → ratings", authorizer.Decide(in other).Denied!.Policy);
    }

    private static RuleHit? Decide(string? peer, params string[] intentions) => Decide(Request(peer: peer), null, intentions);

    private static RuleHit? Decide(RequestFacts request, IntentionDefaultConfig? byDefault, params string[] intentions) =>
        Compile(Ratings, [.. Rules(intentions), .. byDefault is null ? [] : new RuleConfig[] { byDefault }])?.Decide(in request).Denied;

    /// <summary>As Consul lists an intention.</summary>
    private static string Of(string source, string destination, string? action, string permissions = "null") => $$"""
        { "SourceName": "{{source}}", "DestinationName": "{{destination}}", "SourceType": "consul", "Action": "{{action}}", "Permissions": {{permissions}} }
        """;

    private static IEnumerable<RuleConfig> Rules(params string[] intentions) => new ConsulIntentions("prod").Update(
        JsonSerializer.Deserialize($"[{string.Join(',', intentions)}]", ConsulChainJson.Default.IReadOnlyListConsulIntention)!).Rules;
}
