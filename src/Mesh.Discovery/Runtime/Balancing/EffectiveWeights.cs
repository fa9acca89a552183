namespace Mesh.Discovery.Runtime.Balancing;

/// <summary>Effective weights as whole numbers, which schedules and tables are made of.</summary>
internal static class EffectiveWeights
{
    /// <summary>The greatest of them; others are right to half of one part of this.</summary>
    private const int Scale = 1 << 24;

    /// <summary>
    /// Whole numbers in the same ratio, none of them zero; null if what the catalog says is in the same ratio already.
    /// </summary>
    /// <param name="weights">Above zero.</param>
    /// <param name="known">What the catalog says: all above zero, or all zero and meaning the same.</param>
    public static int[]? ToWhole(IReadOnlyList<double> weights, IReadOnlyList<int> known)
    {
        const double Rounding = 1e-9;
        if (weights.Count == 0)
        {
            return null;
        }

        var greatest = weights.Max();
        var isKnown = true;
        var ratio = Math.Max(1, known[0]) / weights[0];
        for (var i = 0; i < weights.Count && isKnown; i++)
        {
            isKnown = Math.Abs((weights[i] * ratio / Math.Max(1, known[i])) - 1) < Rounding;
        }

        return isKnown ? null : [.. weights.Select(weight => Math.Max(1, (int)Math.Round(weight / greatest * Scale)))];
    }
}
