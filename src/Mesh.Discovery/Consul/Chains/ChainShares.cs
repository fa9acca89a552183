using System.Numerics;

namespace Mesh.Discovery.Consul.Chains;

/// <summary>Where the requests of a node end, with weights that are to each other exactly as the shares are.</summary>
internal sealed class ChainShares
{
    /// <summary>Consul keeps hundredths of a percent.</summary>
    private const int WeightScale = 100;

    /// <summary>Keeps the arithmetic short on the way; the end must fit into 31.</summary>
    private const int MaxBits = 512;

    private readonly record struct Leaf(ChainArm Arm, BigInteger Weight);

    private readonly List<Leaf> _leaves;

    private ChainShares(List<Leaf> leaves) => _leaves = leaves;

    public static ChainShares Of(ChainArm arm) => new([new Leaf(arm, BigInteger.One)]);

    /// <summary>The weight of a leg in hundredths of a percent.</summary>
    /// <exception cref="ConsulRuleException">It is none.</exception>
    public static int Weight(double weight, string path) => weight is >= 0 and <= 1_000_000
        ? (int)Math.Round(weight * WeightScale)
        : throw new ConsulRuleException(path, $"the weight {weight} is not allowed; a weight is a number from 0 to 100");

    /// <summary>The legs' own shares, each times that of its leg.</summary>
    /// <exception cref="ConsulRuleException">They cannot be written in whole numbers of a sensible size.</exception>
    public static ChainShares Split(IReadOnlyList<(int Weight, ChainShares Shares)> legs, string path)
    {
        // Each leg's weights add up to a total of its own; on their common multiple they can be compared.
        var common = legs.Aggregate(BigInteger.One, static (common, leg) => Multiple(common, leg.Shares.Total));
        if (common.GetBitLength() > MaxBits)
        {
            throw TooFine(path);
        }

        var leaves = new List<Leaf>();
        foreach (var (weight, shares) in legs)
        {
            if (shares.Total.IsZero)
            {
                continue;
            }

            var factor = weight * (common / shares.Total);
            leaves.AddRange(shares._leaves.Select(leaf => leaf with { Weight = leaf.Weight * factor }));
        }

        return new ChainShares(leaves);
    }

    /// <summary>The arms, with the least whole weights that keep the shares.</summary>
    /// <exception cref="ConsulRuleException">Even these are too large.</exception>
    public IEnumerable<(ChainArm Arm, int Weight)> Arms(string path)
    {
        var divisor = _leaves.Aggregate(BigInteger.Zero, static (divisor, leaf) => BigInteger.GreatestCommonDivisor(divisor, leaf.Weight));
        divisor = divisor.IsZero ? BigInteger.One : divisor;
        if (Total / divisor > int.MaxValue)
        {
            throw TooFine(path);
        }

        return _leaves.Select(leaf => (leaf.Arm, (int)(leaf.Weight / divisor)));
    }

    private static ConsulRuleException TooFine(string path) =>
        new(path, "the shares of the splits in splits are too fine to be kept exactly");

    private BigInteger Total => _leaves.Aggregate(BigInteger.Zero, static (sum, leaf) => sum + leaf.Weight);

    private static BigInteger Multiple(BigInteger one, BigInteger other) =>
        other.IsZero ? one : one / BigInteger.GreatestCommonDivisor(one, other) * other;
}

/// <summary>A resolver that a split ends at.</summary>
/// <param name="Resolver">The resolver.</param>
/// <param name="Path">Where in the chain.</param>
/// <param name="Splits">What the splits on the way say of headers, the outermost first.</param>
internal sealed record ChainArm(ChainResolver Resolver, string Path, IReadOnlyList<ChainSplitDefinition> Splits);
