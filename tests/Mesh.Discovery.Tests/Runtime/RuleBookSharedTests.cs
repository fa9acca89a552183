using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Tests.Rules.Reading;

namespace Mesh.Discovery.Tests.Runtime;

/// <summary>First rules: whoever is there to mend a local one is told at once; a shared one stops nobody.</summary>
public sealed class RuleBookSharedTests
{
    private readonly RuleBook _book = new(new RuleCompiler("default", Labels.Empty, new HashSet<string> { "RANDOM" }, 2));

    public RuleBookSharedTests()
    {
        _book.AddSource("local", RulePrecedence.Local);
        _book.AddSource("shared", RulePrecedence.ConsulKeyValue);
    }

    private IEnumerable<string> InUse => _book.Status.Select(static status => status.Rule.Name).Order();

    [Theory]
    [InlineData("host: 5")]
    [InlineData("host: b, trafficPolicy: { loadBalancer: { simple: NOBODY } }")]
    public void First_SharedRuleWithErrors_IsLeftOutAndTold(string broken)
    {
        _book.Publish("local", Destinations("local", "host: a"));
        _book.Publish("shared", Destinations("shared", broken, "host: c"));

        Assert.True(_book.Compile(isFirst: true));
        Assert.Equal(["local0", "shared1"], InUse);
        Assert.Contains(_book.Issues, static issue => issue.Severity == IssueSeverity.Error);
    }

    [Theory]
    [InlineData("host: 5")]
    [InlineData("host: b, trafficPolicy: { loadBalancer: { simple: NOBODY } }")]
    public void First_LocalRuleWithErrors_RefusesAll(string broken)
    {
        _book.Publish("local", Destinations("local", broken));
        _book.Publish("shared", Destinations("shared", "host: c"));

        Assert.False(_book.Compile(isFirst: true));
        Assert.Null(_book.Compiled);
    }

    [Fact]
    public void First_LocalRuleThatNobodyCouldComplete_RefusesAll()
    {
        _book.Publish("local", Route);
        _book.Publish("shared", Destinations("shared", "host: c"));

        Assert.False(_book.Compile(isFirst: true));
    }

    [Theory]
    [InlineData("host: web, subsets: [ { name: v1, labels: 5 } ]")]
    [InlineData("host: web, subsets: [ { name: v1, labels: { version: v1 } } ], trafficPolicy: { loadBalancer: { simple: NOBODY } }")]
    public void First_LocalRuleThatNeedsABadSharedOne_WaitsForIt(string broken)
    {
        _book.Publish("local", Both(Route, Destinations("other", "host: a")));
        _book.Publish("shared", Destinations("shared", broken));

        Assert.True(_book.Compile(isFirst: true));
        Assert.Equal(["other0"], InUse);
        Assert.Contains(_book.Issues, static issue => issue.ToString().Contains("v1", StringComparison.Ordinal));

        _book.Publish("shared", Destinations("shared", "host: web, subsets: [ { name: v1, labels: { version: v1 } } ]"));
        Assert.True(_book.Compile(isFirst: false));
        Assert.Equal(["other0", "shared0", "web"], InUse);
        Assert.Empty(_book.Issues);
    }

    [Fact]
    public void First_SharedRulesNotThereYet_LocalOnesThatNeedThemWait()
    {
        _book.Publish("local", Both(Route, Destinations("other", "host: a")));

        Assert.True(_book.Compile(isFirst: true));
        Assert.Equal(["other0"], InUse);

        _book.Publish("shared", Destinations("shared", "host: web, subsets: [ { name: v1, labels: { version: v1 } } ]"));
        Assert.True(_book.Compile(isFirst: false));
        Assert.Equal(["other0", "shared0", "web"], InUse);
    }

    [Fact]
    public void First_SharedRulesNotThereYet_LocalOnesWithErrorsOfTheirOwnRefuseAll()
    {
        _book.Publish("local", Destinations("local", "host: 5"));

        Assert.False(_book.Compile(isFirst: true));
    }

    private static RuleBatch Route => Reader.Yaml("""
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: { name: web }
        spec: { hosts: [ web ], http: [ { route: [ { destination: { host: web, subset: v1 } } ] } ] }
        """);

    private static RuleBatch Both(RuleBatch one, RuleBatch other) => new([.. one.Rules, .. other.Rules], [.. one.Issues, .. other.Issues]);

    private static RuleBatch Destinations(string name, params string[] specs) => Reader.Yaml(string.Join("\n---\n", specs.Select(
        (spec, i) => $$"""
            apiVersion: networking.istio.io/v1
            kind: DestinationRule
            metadata: { name: {{name}}{{i}} }
            spec: { {{spec}} }
            """)));
}
