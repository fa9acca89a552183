using Mesh.Discovery.Runtime;

namespace Mesh.Client.LoadBalancing.Hashing;

/// <summary>
/// Sends like requests to one endpoint. A request without the key gets a random one (Envoy); a retry the next distinct
/// one in the order of the table, so all requests of one key agree on that too.
/// </summary>
internal sealed class ConsistentHashPicker : EndpointPicker
{
    private const int MaxSteps = 1024;

    private readonly EndpointState[] _endpoints;
    private readonly HashKey _key;
    private readonly ConsistentHashTable _table;
    private readonly EndpointSampler _sampler;

    public ConsistentHashPicker(LoadBalancingContext context, int[]? weights, ConsistentHashTable table)
    {
        _endpoints = context.EndpointArray;
        _key = HashKey.Create(context.Config?.ConsistentHash, context.SourceAddress, context.Random);
        _table = table;
        _sampler = new EndpointSampler(_endpoints, weights, context.Random);
    }

    public override EndpointState Pick(in PickContext context)
    {
        if (!_key.TryHash(context.Request, out var hash))
        {
            var index = context.Tried.IsEmpty ? _sampler.Next() : _sampler.NextUntried(context);
            return _endpoints[index >= 0 ? index : _sampler.Next()];
        }

        var slot = _table.Find(hash);
        var endpoint = _endpoints[_table.OwnerOf(slot)];
        return context.Tried.IsEmpty || !context.WasTried(endpoint) ? endpoint : PickUntried(slot, hash, context);
    }

    internal override string? CreateAffinityCookie(HttpRequestMessage request) => _key.CreateAffinityCookie(request);

    private EndpointState PickUntried(int slot, ulong hash, in PickContext context)
    {
        var owner = _table.OwnerOf(slot);
        var steps = Math.Min(MaxSteps, _table.Length - 1);
        for (var step = 0; step < steps; step++)
        {
            slot = slot + 1 < _table.Length ? slot + 1 : 0;
            var next = _table.OwnerOf(slot);
            if (next != owner && !context.WasTried(_endpoints[next]))
            {
                return _endpoints[next];
            }
        }

        // All were tried, or the untried ones own next to nothing.
        var index = EndpointSampler.Untried(_endpoints, (int)(hash % (uint)_endpoints.Length), context);
        return _endpoints[index >= 0 ? index : owner];
    }
}
