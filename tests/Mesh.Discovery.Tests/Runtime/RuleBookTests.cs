using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Tests.Rules.Reading;

namespace Mesh.Discovery.Tests.Runtime;

/// <summary>Bad reloads of what the real readers read: the last good version of just that stays.</summary>
public sealed class RuleBookTests
{
    private const string Source = "test";

    private readonly RuleBook _book = new(new RuleCompiler("default", Labels.Empty, new HashSet<string> { "RANDOM" }, 2));

    public RuleBookTests() => _book.AddSource(Source, 0);

    private IEnumerable<string> InUse => _book.Status.Select(static status => status.Rule.Name).Order();

    [Theory]
    [InlineData("host: 5")]
    [InlineData("host: b, trafficPolicy: { loadBalancer: { simple: NOBODY } }")]
    public void Compile_DocumentGetsErrors_ItsLastGoodVersionStays(string broken)
    {
        Take(Yaml("host: a", "host: b", "host: c"));
        var good = Rule("d1");

        Assert.True(Take(Yaml("host: a2", broken, null)));

        Assert.Equal(["d0", "d1"], InUse);
        Assert.Same(good, Rule("d1"));
        Assert.Equal("a2", ((DestinationRuleConfig)Rule("d0")).Host);
        Assert.Single(_book.Issues);
    }

    [Fact]
    public void Compile_FileBreaks_AllOfItStays()
    {
        Take(Yaml("host: a", "host: b"));
        var good = Rule("d0");

        Assert.True(Take(Reader.Yaml("spec: [ 1\nx: 2")));

        Assert.Equal(["d0", "d1"], InUse);
        Assert.Same(good, Rule("d0"));
        Assert.Contains("broken YAML", Assert.Single(_book.Issues).Message, StringComparison.Ordinal);

        Take(Yaml("host: a"));

        Assert.Equal(["d0"], InUse);
        Assert.Empty(_book.Issues);
    }

    [Fact]
    public void Compile_DocumentLosesItsName_AllOfTheFileStays()
    {
        Take(Yaml("host: a", "host: b"));

        var nameless = Reader.Yaml("apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {}\nspec: { host: b }");
        Take(new RuleBatch(Yaml("host: a").Rules, nameless.Issues));

        Assert.Equal(["d0", "d1"], InUse);
    }

    [Theory]
    [InlineData("""{ "a": [ { "Route": [ { "Weight": -1 } ] } ], "b": [ { "Route": [ { "Host": "new" } ] } ] }""")]
    [InlineData("""{ "a": [ { "Route": [ { "Subset": "nobody" } ] } ], "b": [ { "Route": [ { "Host": "new" } ] } ] }""")]
    public void Compile_HostOfTheConfigurationGetsErrors_OnlyItsLastGoodVersionStays(string routes)
    {
        Take(Reader.Configuration("""
            { "Mesh": { "Routes": { "a": [ { "Route": [ {} ] } ], "b": [ { "Route": [ {} ] } ], "c": [ { "Route": [ {} ] } ] } } }
            """));
        var good = Rule("a");

        Take(Reader.Configuration($$"""{ "Mesh": { "Routes": {{routes}} } }"""));

        Assert.Equal(["a", "b"], InUse);
        Assert.Same(good, Rule("a"));
        Assert.Equal("new", ((VirtualServiceConfig)Rule("b")).Http[0].Route[0].Host);
    }

    private static RuleBatch Yaml(params string?[] specs) => Reader.Yaml(string.Join("\n---\n", specs.Select(
        static (spec, i) => spec is null ? "" : $$"""
            apiVersion: networking.istio.io/v1
            kind: DestinationRule
            metadata: { name: d{{i}} }
            spec: { {{spec}} }
            """)));

    private RuleConfig Rule(string name) => _book.Status.Single(status => status.Rule.Name == name).Rule;

    private bool Take(RuleBatch batch)
    {
        _book.Publish(Source, batch);
        return _book.Compile(isFirst: _book.Compiled is null);
    }
}
