using System.Numerics;
using CsCheck;
using Mesh.Discovery.Consul;
using Mesh.Discovery.Consul.Chains;

namespace Mesh.Discovery.Tests.Consul.Chains;

public class ChainSharesTests
{
    [Fact]
    public void Arms_AnyTreeOfSplits_SharesAreExact() =>
        Tree(2).Sample(tree =>
        {
            var leaves = new List<(ChainArm Arm, BigInteger Of, BigInteger Total)>();
            var shares = Build(tree, 1, 1, leaves);
            (ChainArm Arm, int Weight)[] arms;
            try
            {
                arms = [.. shares.Arms("")];
            }
            catch (ConsulRuleException)
            {
                return;
            }

            var sum = arms.Sum(static arm => (long)arm.Weight);
            Assert.Equal(leaves.Count, arms.Length);
            foreach (var ((arm, weight), leaf) in arms.Zip(leaves))
            {
                Assert.Same(leaf.Arm, arm);
                Assert.Equal(leaf.Of * sum, weight * leaf.Total);
            }
        });

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(-0.01)]
    [InlineData(1e9)]
    public void Weight_NotAPercentage_Refused(double weight) =>
        Assert.Throws<ConsulRuleException>(() => ChainShares.Weight(weight, "p"));

    [Theory]
    [InlineData(33.33f, 3333)]
    [InlineData(0.01f, 1)]
    [InlineData(100f, 10000)]
    [InlineData(66.67f, 6667)]
    public void Weight_OfASinglePrecisionNumber_IsTheHundredthsMeant(float weight, int expected) =>
        Assert.Equal(expected, ChainShares.Weight(weight, "p"));

    private static Gen<Node> Tree(int depth)
    {
        var leaf = Gen.Const(new Node([]));
        return depth == 0 ? leaf : Gen.OneOf(
            leaf,
            Gen.Select(Gen.OneOf(Gen.Int[1, 40], Gen.Int[1, 100].Select(static percent => percent * 100)), Tree(depth - 1)).Array[1, 4]
                .Select(static legs => new Node(legs)));
    }

    /// <summary>The share of a leaf is the product of those of its legs.</summary>
    private static ChainShares Build(Node node, BigInteger of, BigInteger total, List<(ChainArm, BigInteger, BigInteger)> leaves)
    {
        if (node.Legs.Length == 0)
        {
            var arm = new ChainArm(new ChainResolver(), "", []);
            leaves.Add((arm, of, total));
            return ChainShares.Of(arm);
        }

        var sum = node.Legs.Sum(static leg => leg.Item1);
        return ChainShares.Split([.. node.Legs.Select(leg => (leg.Item1, Build(leg.Item2, of * leg.Item1, total * sum, leaves)))], "");
    }

    private sealed record Node((int, Node)[] Legs);
}
