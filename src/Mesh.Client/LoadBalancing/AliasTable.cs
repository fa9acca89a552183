using Mesh.Discovery;

namespace Mesh.Client.LoadBalancing;

/// <summary>
/// Draws indices in proportion to weights with one random number and at most two reads, however many there are: Walker's
/// alias method, built as M. D. Vose describes it (IEEE Transactions on Software Engineering, 1991).
/// </summary>
internal sealed class AliasTable
{
    private readonly Column[] _columns;

    /// <summary>Builds the table; shares are exact but for rounding to 1 / 2^32 of a column.</summary>
    /// <param name="weights">Not negative, at least one above zero.</param>
    public AliasTable(ReadOnlySpan<int> weights)
    {
        var count = weights.Length;
        long total = 0;
        foreach (var weight in weights)
        {
            total += weight;
        }

        // In units of 1 / (total * count): a column holds `total`, a weight fills `weight * count`.
        var filled = new long[count];
        var small = new Stack<int>(count);
        var large = new Stack<int>(count);
        for (var i = 0; i < count; i++)
        {
            filled[i] = (long)weights[i] * count;
            (filled[i] < total ? small : large).Push(i);
        }

        _columns = new Column[count];
        while (small.TryPop(out var poor))
        {
            var rich = large.Peek();
            _columns[poor] = new Column((uint)(filled[poor] / (double)total * uint.MaxValue), rich);
            filled[rich] -= total - filled[poor];
            if (filled[rich] < total)
            {
                small.Push(large.Pop());
            }
        }

        foreach (var full in large)
        {
            _columns[full] = new Column(uint.MaxValue, full);
        }
    }

    /// <summary>Draws one index.</summary>
    public int Next(IRandomSource random)
    {
        var columns = _columns;
        var point = random.NextDouble() * columns.Length;
        var index = (int)point;
        var column = columns[index];
        // Computed, as a branch on a random number would be mispredicted.
        var toOther = (point - index) * uint.MaxValue < column.Own ? 0 : 1;
        return index + ((column.Other - index) * toOther);
    }

    private readonly record struct Column(uint Own, int Other);
}
