using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Tests.Rules.Reading;

namespace Mesh.Discovery.Tests.Routing;

/// <summary>Names of the application's own pipelines in rules.</summary>
public sealed class ResiliencePipelineTests
{
    [Fact]
    public void Compile_RegisteredName_IsTheRoutesInAnyCase()
    {
        var compiled = Compile(""" "Routes": { "a": [ { "ResiliencePipeline": "SLOW", "Route": [ {} ] } ] } """);

        Assert.Empty(compiled.Issues.Issues);
        Assert.Equal("SLOW", Assert.Single(compiled.Routes("a.default.svc.cluster.local")).ResiliencePipeline);
    }

    [Theory]
    [InlineData(""" "Routes": { "a": [ { "ResiliencePipeline": "fast", "Route": [ {} ] } ] } """, "Mesh:Routes:a:0:ResiliencePipeline")]
    [InlineData(""" "Destinations": { "a": { "ResiliencePipeline": "fast" } } """, "Mesh:Destinations:a:ResiliencePipeline")]
    [InlineData(""" "Destinations": { "a": { "Subsets": { "v1": { "ResiliencePipeline": "fast" } } } } """, "Mesh:Destinations:a:Subsets:v1:ResiliencePipeline")]
    public void Compile_UnknownName_IsAnErrorAtItsPlace(string json, string place)
    {
        var issue = Assert.Single(Compile(json).Issues.Issues);

        Assert.Equal(IssueSeverity.Error, issue.Severity);
        Assert.Equal(place, issue.Location.Path);
        Assert.Equal("the resilience pipeline 'fast' is not registered; registered by AddResiliencePipeline are: other, slow", issue.Message);
    }

    [Fact]
    public void Compile_NoneRegistered_SaysSo() => Assert.EndsWith(
        "registered by AddResiliencePipeline are: none",
        Assert.Single(Compile(""" "Destinations": { "a": { "ResiliencePipeline": "fast" } } """, null).Issues.Issues).Message,
        StringComparison.Ordinal);

    [Fact]
    public void Compile_RouteThatAnswersItself_CannotHaveOne() => Assert.Equal(
        "a route with a directResponse cannot have a resilience pipeline; pipelines are for routes to destinations",
        Assert.Single(Compile(
            """ "Routes": { "a": [ { "ResiliencePipeline": "slow", "DirectResponse": { "Status": 200 } } ] } """).Issues.Issues).Message);

    [Theory]
    [InlineData(""" "ResiliencePipeline": "slow" """, 1)]
    [InlineData(""" "CircuitBreaker": {} """, 1)]
    [InlineData(""" "CircuitBreaker": { "State": "Open" } """, 0)]
    public void Compile_WithPassThrough_WarnsOfWhatHasNoEffect(string part, int warnings) => Assert.Equal(
        warnings,
        Compile($$""" "Destinations": { "a": { "LoadBalancer": { "Simple": "PASSTHROUGH" }, {{part}} } } """).Issues.Issues.Count(
            static issue => issue.Severity == IssueSeverity.Warning && issue.Message.Contains("no effect with PASSTHROUGH", StringComparison.Ordinal)));

    private static CompiledRules Compile(string json) => Compile(json, new HashSet<string>(StringComparer.OrdinalIgnoreCase) { "slow", "other" });

    private static CompiledRules Compile(string json, IReadOnlySet<string>? pipelines)
    {
        var batch = Reader.Configuration($$"""{ "Mesh": { {{json}} } }""");
        Assert.Empty(batch.Issues);
        return new RuleCompiler("prod", Labels.Empty, Rule.Policies, 2, pipelines: pipelines)
            .Compile([.. batch.Rules.Select(static rule => new PlacedRule(rule, 0))]);
    }
}
