using System.Numerics;
using Mesh.Discovery.Runtime;

namespace Mesh.Client.LoadBalancing.Hashing;

/// <summary>
/// The ring of Karger et al. (1997) as Envoy builds it: each endpoint puts marks on a ring, in proportion to its weight
/// and at least one; a hash belongs to the next mark. When an endpoint leaves, its keys move, and some keys of others
/// too: as the size of the ring hardly changes, the others get more marks than before.
/// </summary>
internal sealed class RingHashTable : ConsistentHashTable
{
    /// <summary>
    /// What a ring may grow to for the sake of very unequal weights, if the rule does not ask for more itself. Envoy allows
    /// 8388608, which takes seconds to build and 100 MB.
    /// </summary>
    public const int MaxGrownSize = 1 << 17;

    private readonly ulong[] _marks;
    private readonly int[] _owners;
    private readonly int[] _buckets;
    private readonly int _shift;

    /// <param name="endpoints">At least one.</param>
    /// <param name="weights"><see langword="null"/>: all equal.</param>
    /// <param name="minimumSize">The least number of marks, above zero.</param>
    public RingHashTable(EndpointState[] endpoints, int[]? weights, int minimumSize)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(minimumSize);
        var marks = new List<ulong>(minimumSize + endpoints.Length);
        var owners = new List<int>(minimumSize + endpoints.Length);
        var scale = Scale(endpoints.Length, weights, minimumSize);
        var target = 0.0;
        foreach (var index in OrderById(endpoints))
        {
            // The running target spreads what rounding takes away over all endpoints.
            target += scale * (weights?[index] ?? 1);
            var mark = 0L;
            do
            {
                marks.Add(Hash.Of(endpoints[index].Id, mark++));
                owners.Add(index);
            }
            while (marks.Count < target - 1e-6);
        }

        _marks = [.. marks];
        _owners = [.. owners];
        Array.Sort(_marks, _owners);
        _shift = 64 - Math.Max(1, BitOperations.Log2((uint)_marks.Length));
        _buckets = new int[1 << (64 - _shift)];
        for (int bucket = 0, slot = 0; bucket < _buckets.Length; bucket++)
        {
            while (slot < _marks.Length && _marks[slot] < (ulong)bucket << _shift)
            {
                slot++;
            }

            _buckets[bucket] = slot;
        }
    }

    public override int Length => _marks.Length;

    // Marks are spread evenly, so starting from the right one of as many buckets as there are marks beats a binary search.
    public override int Find(ulong hash)
    {
        var marks = _marks;
        var slot = _buckets[(int)(hash >> _shift)];
        while (slot < marks.Length && marks[slot] < hash)
        {
            slot++;
        }

        return slot < marks.Length ? slot : 0;
    }

    public override int OwnerOf(int slot) => _owners[slot];

    /// <summary>Marks per unit of weight, so that the lightest endpoint has a whole number of them (Envoy).</summary>
    private static double Scale(int count, int[]? weights, int minimumSize)
    {
        long total = count;
        var least = 1;
        if (weights is not null)
        {
            total = 0;
            least = int.MaxValue;
            foreach (var weight in weights)
            {
                total += weight;
                least = weight > 0 ? Math.Min(least, weight) : least;
            }
        }

        var size = Math.Ceiling((double)least * minimumSize / total) * total / least;
        return Math.Min(size, Math.Max(minimumSize, MaxGrownSize)) / total;
    }
}
