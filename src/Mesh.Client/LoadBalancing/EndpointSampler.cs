using Mesh.Discovery;
using Mesh.Discovery.Runtime;

namespace Mesh.Client.LoadBalancing;

/// <summary>Draws endpoints at random in proportion to their weights.</summary>
internal sealed class EndpointSampler
{
    private const int Draws = 16;

    private readonly EndpointState[] _endpoints;
    private readonly AliasTable? _table;
    private readonly IRandomSource _random;

    /// <param name="endpoints">At least one.</param>
    /// <param name="weights"><see langword="null"/>: all equal.</param>
    /// <param name="random">The source of randomness.</param>
    public EndpointSampler(EndpointState[] endpoints, int[]? weights, IRandomSource random)
    {
        _endpoints = endpoints;
        _table = weights is null ? null : new AliasTable(weights);
        _random = random;
    }

    /// <summary>Draws any endpoint.</summary>
    public int Next() => _table is null ? _random.Next(_endpoints.Length) : _table.Next(_random);

    /// <summary>Draws one that was not tried, or -1 if all were.</summary>
    /// <remarks>
    /// A draw that hits a tried endpoint is repeated, which keeps the shares of the others; after <see cref="Draws"/>
    /// misses (all were tried, or those that hold nearly all the weight) the next untried one in order is taken.
    /// </remarks>
    public int NextUntried(in PickContext context)
    {
        for (var draw = 0; draw < Draws; draw++)
        {
            var index = Next();
            if (!context.WasTried(_endpoints[index]))
            {
                return index;
            }
        }

        return Untried(_endpoints, _random.Next(_endpoints.Length), context);
    }

    /// <summary>The first untried endpoint from <paramref name="start"/> on, around the end; -1 if all were tried.</summary>
    public static int Untried(EndpointState[] endpoints, int start, in PickContext context)
    {
        // Among one endpoint more than were tried, one was not.
        var steps = Math.Min(endpoints.Length, context.Tried.Length + 1);
        for (var step = 0; step < steps; step++)
        {
            var index = (int)(((uint)start + (uint)step) % (uint)endpoints.Length);
            if (!context.WasTried(endpoints[index]))
            {
                return index;
            }
        }

        return -1;
    }
}
