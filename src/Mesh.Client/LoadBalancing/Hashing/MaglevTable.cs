using Mesh.Discovery.Runtime;

namespace Mesh.Client.LoadBalancing.Hashing;

/// <summary>
/// The lookup table of Maglev (Eisenbud et al., NSDI 2016), weighted as Envoy does it: endpoints take turns in
/// proportion to their weight, and with each turn take the next free slot of their own permutation of the table. Shares
/// are more even than on a ring and a look-up is one read; when an endpoint leaves, a few keys of others move too.
/// </summary>
internal sealed class MaglevTable : ConsistentHashTable
{
    private const int Free = -1;

    private readonly int[] _owners;

    /// <param name="endpoints">At least one. More than slots: the last ones in order get none.</param>
    /// <param name="weights"><see langword="null"/>: all equal.</param>
    /// <param name="size">The number of slots, a prime.</param>
    public MaglevTable(EndpointState[] endpoints, int[]? weights, int size)
    {
        if (!IsPrime(size))
        {
            throw new ArgumentOutOfRangeException(nameof(size), size, "The size of a Maglev table must be a prime.");
        }

        _owners = new int[size];
        Array.Fill(_owners, Free);
        var order = OrderById(endpoints);
        var walks = new Walk[order.Length];
        for (var i = 0; i < walks.Length; i++)
        {
            var id = endpoints[order[i]].Id;
            walks[i] = new Walk(
                (uint)(Hash.Of(id) % (uint)size), size == 2 ? 1 : (uint)(Hash.Of(id, seed: 1) % (uint)(size - 1)) + 1);
        }

        if (weights is null)
        {
            for (var taken = 0; taken < size; taken++)
            {
                Take(ref walks[taken % walks.Length], order[taken % walks.Length]);
            }
        }
        else
        {
            FillByWeight(walks, order, weights);
        }
    }

    public override int Length => _owners.Length;

    public override int Find(ulong hash) => (int)(hash % (uint)_owners.Length);

    public override int OwnerOf(int slot) => _owners[slot];

    /// <summary>Whether a size is a prime, as a table needs it.</summary>
    public static bool IsPrime(int size)
    {
        if (size < 4)
        {
            return size >= 2;
        }

        for (var divisor = 2; divisor <= size / divisor; divisor++)
        {
            if (size % divisor == 0)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>
    /// Turn t of an endpoint of weight w comes in round t·max/w, everybody's first in round 1. The queue skips the rounds
    /// in which an endpoint only waits.
    /// </summary>
    private void FillByWeight(Walk[] walks, int[] order, int[] weights)
    {
        long heaviest = 1;
        foreach (var weight in weights)
        {
            heaviest = Math.Max(heaviest, weight);
        }

        var turns = new long[walks.Length];
        var queue = new PriorityQueue<int, (long Round, int Place)>(walks.Length);
        for (var i = 0; i < walks.Length; i++)
        {
            queue.Enqueue(i, (1, i));
        }

        for (var taken = 0; taken < _owners.Length; taken++)
        {
            queue.TryDequeue(out var place, out var turn);
            Take(ref walks[place], order[place]);
            var weight = Math.Max(1, weights[order[place]]);
            var due = ((++turns[place] * heaviest) + weight - 1) / weight;
            queue.Enqueue(place, (Math.Max(turn.Round + 1, due), place));
        }
    }

    private void Take(ref Walk walk, int owner)
    {
        while (_owners[walk.Slot] != Free)
        {
            walk.Slot = (uint)((walk.Slot + (ulong)walk.Skip) % (uint)_owners.Length);
        }

        _owners[walk.Slot] = owner;
    }

    private record struct Walk(uint Slot, uint Skip);
}
