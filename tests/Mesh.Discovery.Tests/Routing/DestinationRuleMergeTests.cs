using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Tests.Routing;

public class DestinationRuleMergeTests
{
    private const string Reviews = "reviews.prod.svc.cluster.local";

    private static readonly DestinationRuleConfig s_local = Rule.Destination("reviews", "v1", "v2") with
    {
        Name = "local",
        TrafficPolicy = new TrafficPolicyConfig { LoadBalancer = Rule.Balancer("ROUND_ROBIN") },
    };

    private static readonly DestinationRuleConfig s_kv = Rule.Destination("reviews.prod", "v2", "v3").From("kv");

    private static readonly DestinationRuleConfig s_native = Rule.Destination(Reviews, "v4").From("consul") with
    {
        TrafficPolicy = new TrafficPolicyConfig { LoadBalancer = Rule.Balancer("LEAST_REQUEST") },
    };

    [Fact]
    public void Compile_RulesOfDifferentPrecedence_SubsetsAndPoliciesAreUnited()
    {
        var compiled = Compile(new(s_local, 0), new(s_native, 2), new(s_kv, 1));

        Assert.Empty(compiled.Errors());
        var rule = compiled.DestinationRules.Find(Reviews)!;
        Assert.Equal(["v1", "v2", "v3", "v4"], rule.Subsets.Select(static s => s.Name).Order());
        Assert.Same(s_kv.Subsets[0], rule.Subsets.Single(static s => s.Name == "v2"));
        Assert.Same(s_native.TrafficPolicy.LoadBalancer, rule.TrafficPolicy.LoadBalancer);
        Assert.Equal(3, compiled.InEffect.Count);
    }

    [Fact]
    public void Compile_StrongerSaysNothingOfAPart_TheWeakerOnesHolds() =>
        Assert.Same(s_local.TrafficPolicy.LoadBalancer,
            Compile(new(s_local, 0), new(s_kv, 1)).DestinationRules.Find(Reviews)!.TrafficPolicy.LoadBalancer);

    [Fact]
    public void Compile_TheSameObjectsAgain_TheSameMergedObject()
    {
        PlacedRule[] rules = [new(s_local, 0), new(s_kv, 1), new(s_native, 2)];
        var first = Compile(rules).DestinationRules.Find(Reviews);

        Compile(new PlacedRule(s_local, 0));

        Assert.Same(first, Compile([.. rules.Reverse()]).DestinationRules.Find(Reviews));
    }

    [Fact]
    public void Compile_WeakerHasNothingToAdd_StrongerItselfAndTheWeakerIsNotInEffect()
    {
        var weak = Rule.Destination("reviews", "v2");

        var compiled = Compile(new(weak, 0), new(s_kv, 1));

        Assert.Same(s_kv, compiled.DestinationRules.Find(Reviews));
        Assert.Equal([s_kv], compiled.InEffect);
    }

    [Fact]
    public void Compile_SamePrecedenceBehindAStrongerOne_IsStillAnError() =>
        Assert.Contains("already has a DestinationRule: it is also in mesh/test.yaml",
            Assert.Single(Compile(new(s_native, 2), new(s_local, 0), new(s_kv, 0)).Errors()), StringComparison.Ordinal);

    [Fact]
    public void Compile_SameNameAndHostInTwoSources_AreMergedToo() =>
        Assert.Equal(["v1", "v9"], Compile(new(Rule.Destination("reviews", "v1"), 0), new(Rule.Destination("reviews", "v9").From("kv"), 1))
            .DestinationRules.Find(Reviews)!.Subsets.Select(static s => s.Name).Order());

    [Fact]
    public void Compile_RoutesToSubsetsOfSeveralSources_AreDefined() =>
        Assert.Empty(Compile(new(s_local, 0), new(s_native, 2), new(Rule.Service("r", ["reviews"],
            Rule.Route(Rule.To("reviews", "v1", 1), Rule.To("reviews", "v4", 1))), 1)).Errors());

    private static CompiledRules Compile(params PlacedRule[] rules) => Rule.Compiler().Compile(rules);
}
