using Mesh.Discovery.Runtime;

namespace Mesh.Client.LoadBalancing.Hashing;

/// <summary>Slots in a fixed order, each owned by an endpoint. A hash belongs to one slot.</summary>
/// <remarks>
/// Built over the endpoints in the order of their ids, so that every process that sees the same endpoints builds the
/// same table, whatever order a catalog gives them in.
/// </remarks>
internal abstract class ConsistentHashTable
{
    /// <summary>The number of slots.</summary>
    public abstract int Length { get; }

    /// <summary>The slot of a hash.</summary>
    public abstract int Find(ulong hash);

    /// <summary>The index of the endpoint that owns a slot.</summary>
    public abstract int OwnerOf(int slot);

    /// <summary>Indices of the endpoints in the order of their ids.</summary>
    protected static int[] OrderById(EndpointState[] endpoints)
    {
        var order = new int[endpoints.Length];
        var ids = new string[endpoints.Length];
        for (var i = 0; i < order.Length; i++)
        {
            order[i] = i;
            ids[i] = endpoints[i].Id;
        }

        Array.Sort(ids, order, StringComparer.Ordinal);
        return order;
    }
}
