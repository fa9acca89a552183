namespace Mesh.Discovery.Runtime.Balancing;

/// <summary>
/// Finagle's deterministic aperture on a continuous ring: endpoints and callers each divide it among themselves, and a caller
/// uses the endpoints along an arc that starts where its own part does.
/// </summary>
/// <remarks>
/// An arc is a whole number of callers' parts long. So the arcs of all callers cover every point equally often, and every
/// endpoint gets the same load for its weight, however few endpoints each caller uses. Endpoints at the ends of an arc are
/// used with the part that lies in it. All in whole numbers: a point of the ring is a multiple of 1 / (weights × callers).
/// </remarks>
internal static class Aperture
{
    /// <summary>The part of each endpoint that lies in the caller's arc, 0 to 1.</summary>
    /// <param name="weights">Of the endpoints in their order on the ring: not negative, at least one above zero.</param>
    /// <param name="usable">Which of them may be used. The arc is lengthened until it holds enough of these.</param>
    /// <param name="caller">The caller's number.</param>
    /// <param name="callers">How many there are.</param>
    /// <param name="size">How many endpoints, at least, it shall use; all if there are no more.</param>
    public static double[] Parts(IReadOnlyList<int> weights, IReadOnlyList<bool> usable, int caller, int callers, int size)
    {
        var parts = new double[weights.Count];
        var total = weights.Sum(static weight => (long)weight);
        var wanted = Math.Min(size, weights.Where((weight, i) => weight > 0 && usable[i]).Count());
        var length = LongestRun(weights, size) is var run && run >= total
            ? callers
            : Math.Min(callers, ((run * callers) + total - 1) / total);
        if (length >= callers)
        {
            Array.Fill(parts, 1);
            return parts;
        }

        var left = length * total;
        var position = caller * total;
        var index = 0;
        var end = weights[0] * (long)callers;
        while (end <= position)
        {
            end += weights[++index] * (long)callers;
        }

        var first = index;
        var used = 0;
        for (var step = 0; step <= weights.Count && (left > 0 || used < wanted); step++)
        {
            var width = weights[index] * (long)callers;

            // Beyond the arc's end whole endpoints follow, for those in it that cannot be used.
            var taken = left > 0 ? Math.Min(left, end - position) : end - position;
            if (width > 0)
            {
                used += usable[index] && parts[index] == 0 ? 1 : 0;
                parts[index] = Math.Min(1, parts[index] + ((double)taken / width));
            }

            left -= taken;
            position = end;
            index = (index + 1) % weights.Count;
            if (index == 0)
            {
                position = end = 0;
            }

            end += weights[index] * (long)callers;
            if (index == first)
            {
                // Around once: what is left of the first one is the part before the start.
                end = Math.Min(end, caller * total);
            }
        }

        return parts;
    }

    /// <summary>The greatest weight of so many neighbours: an arc of this length touches as many wherever it starts.</summary>
    private static long LongestRun(IReadOnlyList<int> weights, int size)
    {
        if (size >= weights.Count)
        {
            return long.MaxValue;
        }

        var run = 0L;
        for (var i = 0; i < size; i++)
        {
            run += weights[i];
        }

        var longest = run;
        for (var i = 0; i < weights.Count; i++)
        {
            run += weights[(i + size) % weights.Count] - (long)weights[i];
            longest = Math.Max(longest, run);
        }

        return longest;
    }
}
