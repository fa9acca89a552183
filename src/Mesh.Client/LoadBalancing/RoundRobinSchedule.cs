namespace Mesh.Client.LoadBalancing;

/// <summary>The order in which weighted endpoints take turns.</summary>
/// <remarks>
/// With weights that sum to W, turn k of an endpoint of weight w belongs into the slots from k·W/w to (k+1)·W/w, rounded
/// outwards. Jobs of one slot with whole release times and deadlines that are feasible in parts are scheduled by
/// earliest deadline first without missing any (the Pfair argument of Baruah et al., 1996). So after every number of
/// slots each endpoint has had its exact share but for less than one turn: no bursts. nginx's smooth round robin
/// has the same aim but needs all endpoints for every turn.
/// </remarks>
internal static class RoundRobinSchedule
{
    /// <summary>Longer periods are scaled down; shares are then right to about 1 / 16384 each.</summary>
    public const int MaxLength = 16384;

    /// <summary>Makes one period: indices into <paramref name="weights"/>, each as often as its share demands.</summary>
    /// <param name="weights">Not negative, at least one above zero; zeros do not occur in the period.</param>
    public static int[] Create(ReadOnlySpan<int> weights)
    {
        var turns = Turns(weights);
        var length = 0L;
        foreach (var turn in turns)
        {
            length += turn;
        }

        // Keys are unique (slot first, index second), so the result does not depend on how the queues break ties.
        var count = (long)turns.Length;
        var taken = new int[turns.Length];
        var waiting = new PriorityQueue<int, long>(turns.Length);
        var ready = new PriorityQueue<int, long>(turns.Length);
        for (var i = 0; i < turns.Length; i++)
        {
            if (turns[i] > 0)
            {
                waiting.Enqueue(i, i);
            }
        }

        var schedule = new int[length];
        for (var slot = 0; slot < schedule.Length; slot++)
        {
            while (waiting.TryPeek(out var next, out var release) && release / count <= slot)
            {
                waiting.Dequeue();
                ready.Enqueue(next, (CeilingOf((taken[next] + 1) * length, turns[next]) * count) + next);
            }

            var index = ready.Dequeue();
            schedule[slot] = index;
            if (++taken[index] < turns[index])
            {
                waiting.Enqueue(index, (taken[index] * length / turns[index] * count) + index);
            }
        }

        return schedule;
    }

    private static int[] Turns(ReadOnlySpan<int> weights)
    {
        var turns = new int[weights.Length];
        var divisor = 0;
        var total = 0L;
        foreach (var weight in weights)
        {
            divisor = GreatestCommonDivisor(divisor, weight);
            total += weight;
        }

        total /= divisor;
        var limit = Math.Max(MaxLength, 2L * weights.Length);
        for (var i = 0; i < turns.Length; i++)
        {
            var share = weights[i] / divisor;
            turns[i] = total <= limit || share == 0
                ? share
                : (int)Math.Max(1, Math.Round(share * (double)limit / total));
        }

        return turns;
    }

    private static long CeilingOf(long dividend, long divisor) => (dividend + divisor - 1) / divisor;

    private static int GreatestCommonDivisor(int a, int b)
    {
        while (b != 0)
        {
            (a, b) = (b, a % b);
        }

        return a;
    }
}
