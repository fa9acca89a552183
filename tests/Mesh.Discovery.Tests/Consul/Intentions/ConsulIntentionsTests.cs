using Mesh.Discovery.Consul.Intentions;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Tests.Routing;

namespace Mesh.Discovery.Tests.Consul.Intentions;

public class ConsulIntentionsTests
{
    private readonly ConsulIntentions _intentions = new("prod");

    [Theory]
    [InlineData("y", "x", null)]
    [InlineData("y", "other", "* → *")]
    [InlineData("web", "x", "* → *")]
    public void Find_RealIntentions_AllowedOrDenied(string source, string destination, string? deniedBy) =>
        Assert.Equal(deniedBy, Guard(ConsulSamples.Text("intentions.json"), source, destination)?.Intention);

    [Theory]
    [InlineData("web→x deny", "web → x")]
    [InlineData("WEB→X deny", "WEB → x")]
    [InlineData("api→x deny", null)]
    [InlineData("web→x allow; *→x deny", null)]
    [InlineData("*→x allow; web→x deny", "web → x")]
    [InlineData("*→x deny; web→* allow", "* → x")]
    [InlineData("*→x allow; web→* deny", null)]
    [InlineData("api→x deny; web→* deny; *→* allow", "web → *")]
    [InlineData("web→y deny", null)]
    public void Find_Intentions_TheMostSpecificDestinationThenSourceDecides(string intentions, string? deniedBy)
    {
        var json = intentions.Split("; ").Select(static text =>
        {
            var parts = text.Split('→', ' ');
            return $$"""{ "SourceName": "{{parts[0]}}", "DestinationName": "{{parts[1]}}", "Action": "{{parts[2]}}" }""";
        });

        Assert.Equal(deniedBy, Guard($"[ {string.Join(',', json)} ]", "web", "x")?.Intention);
    }

    [Theory]
    [InlineData("GET", "http://x/admin/users", true)]
    [InlineData("GET", "http://x/admin/health", false)]
    [InlineData("DELETE", "http://x/a", true)]
    [InlineData("GET", "http://x/a", false)]
    [InlineData("GET", "http://x/debug?x=1", true)]
    public void Denies_Permissions_TheFirstThatMatchesDecidesAndNoneDeniesNothing(string method, string uri, bool denied)
    {
        var guard = Guard("""
            [ { "SourceName": "web", "DestinationName": "x", "Permissions": [
                { "Action": "allow", "HTTP": { "PathExact": "/admin/health", "Methods": [ "GET", "HEAD" ] } },
                { "Action": "deny", "HTTP": { "PathPrefix": "/admin" } },
                { "Action": "deny", "HTTP": { "Methods": [ "DELETE" ] } },
                { "Action": "deny", "HTTP": { "PathRegex": "/de.*", "Header": [ { "Name": "x-key", "Present": true, "Invert": true } ] } } ] } ]
            """, "web", "x")!;

        Assert.Equal(denied, guard.Denies(Rule.Request(uri, method)));
        Assert.False(guard.Denies(Rule.Request("http://x/debug").With("x-key", "1")));
    }

    [Theory]
    [InlineData(""" "Permissions": [ { "Action": "deny", "HTTP": { "PathGlob": "/a" } } ] """, "the condition 'PathGlob' is not supported")]
    [InlineData(""" "Permissions": [ { "Action": "allow", "JWT": { "Providers": [ { "Name": "okta" } ] } }, { "Action": "deny", "HTTP": {} } ] """, "the condition 'JWT' is not supported")]
    [InlineData(""" "Action": "audit" """, "the action 'audit' is not supported")]
    public void Update_IntentionNotUnderstood_WarnsAndIsLeftToTheCallee(string what, string reason)
    {
        var batch = _intentions.Update(ConsulSamples.Intentions(
            $$"""[ { "SourceName": "web", "DestinationName": "x", {{what}} }, { "SourceName": "*", "DestinationName": "x", "Action": "deny" } ]"""));

        var issue = Assert.Single(batch.Issues);
        Assert.Equal(IssueSeverity.Warning, issue.Severity);
        Assert.Contains(reason, issue.Message, StringComparison.Ordinal);
        Assert.EndsWith("; the intention is left to the callee", issue.Message, StringComparison.Ordinal);
        Assert.Null(Compile(batch, "web").Guards.Find(new ServiceName("x", "prod")));
        Assert.NotNull(Compile(batch, "api").Guards.Find(new ServiceName("x", "prod")));
    }

    [Theory]
    [InlineData(""" "SourcePeer": "far" """)]
    [InlineData(""" "SourceNS": "team" """)]
    [InlineData(""" "SourceType": "external" """)]
    [InlineData(""" "DestinationPartition": "p2" """)]
    public void Update_IntentionsAboutOthers_AreLeftOut(string what) =>
        Assert.Empty(_intentions.Update(ConsulSamples.Intentions(
            $$"""[ { "SourceName": "web", "DestinationName": "x", "Action": "deny", {{what}} } ]""")).Rules);

    [Fact]
    public void Update_DestinationWithDots_IssueAndTheOthersHold()
    {
        var batch = _intentions.Update(ConsulSamples.Intentions("""
            [ null, { "SourceName": "web", "DestinationName": "a.b", "Action": "deny" }, { "SourceName": "web", "DestinationName": "x", "Action": "deny" } ]
            """));

        Assert.Equal(("ServiceIntentions a.b", IssueSeverity.Error), (Assert.Single(batch.Issues).Location.Document, batch.Issues[0].Severity));
        Assert.Equal("consul:x", Assert.Single(batch.Rules).Name);
    }

    [Fact]
    public void Update_OneDestinationChanges_TheOthersAreTheSameObjects()
    {
        var before = _intentions.Update(ConsulSamples.Intentions(ConsulSamples.Text("intentions.json"))).Rules;
        var after = _intentions.Update(ConsulSamples.Intentions(
            ConsulSamples.Text("intentions.json").Replace("\"allow\"", "\"deny\"", StringComparison.Ordinal))).Rules;

        Assert.Equal(["*", "x.prod.svc.cluster.local"], before.Cast<ServiceIntentionsConfig>().Select(static rule => rule.Host));
        Assert.Same(before[0], after[0]);
        Assert.NotSame(before[1], after[1]);
    }

    [Fact]
    public void Compile_Intentions_OnlyThoseAboutThisServiceAreInEffect()
    {
        var batch = _intentions.Update(ConsulSamples.Intentions("""
            [ { "SourceName": "web", "DestinationName": "x", "Action": "allow" }, { "SourceName": "api", "DestinationName": "y", "Action": "deny" } ]
            """));

        Assert.Equal([batch.Rules[0]], Compile(batch, "web").InEffect);
    }

    [Theory]
    [InlineData("x.service.dc2.consul", true)]
    [InlineData("x.example.com", false)]
    [InlineData("*.service.dc2.consul", false)]
    public void Find_ExternalHosts_OnlyConsulsOwnAreGuarded(string host, bool guarded)
    {
        var compiled = Compile(_intentions.Update(ConsulSamples.Intentions(
            """[ { "SourceName": "*", "DestinationName": "*", "Action": "deny" } ]""")), "web");

        Assert.Equal(guarded, compiled.Guards.Find(ServiceName.External(host)) is not null);
        Assert.NotNull(compiled.Guards.Find(new ServiceName("any", "prod")));
    }

    [Fact]
    public void Compile_BadExpressionInAPermission_IsAnErrorThere()
    {
        var compiled = Compile(_intentions.Update(ConsulSamples.Intentions("""
            [ { "SourceName": "web", "DestinationName": "*", "Permissions": [ { "Action": "deny", "HTTP": { "PathRegex": "(" } } ] } ]
            """)), "web");

        Assert.StartsWith(
            "consul intentions/*: ServiceIntentions *: Sources[web].Permissions[0].HTTP.PathRegex: the regular expression '('",
            Assert.Single(compiled.Errors()), StringComparison.Ordinal);
    }

    private Guard? Guard(string json, string source, string destination) =>
        Compile(_intentions.Update(ConsulSamples.Intentions(json)), source).Guards.Find(new ServiceName(destination, "prod"));

    private static CompiledRules Compile(RuleBatch batch, string source) =>
        new RuleCompiler("prod", Labels.Empty, Rule.Policies, 2, source).Compile([.. batch.Rules.Select(static rule => new PlacedRule(rule, 2))]);
}
