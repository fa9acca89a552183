using Mesh.Discovery;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;

namespace Mesh.Client.LoadBalancing;

/// <summary>What a policy prepares a picker from.</summary>
public sealed class LoadBalancingContext
{
    internal LoadBalancingContext(
        EndpointState[] endpoints, LoadBalancerConfig? config, IRandomSource random, TimeProvider time, string sourceAddress,
        int[]? weights = null)
    {
        Endpoints = endpoints;
        EndpointArray = endpoints;
        Config = config;
        Random = random;
        Time = time;
        SourceAddress = sourceAddress;
        WeightArray = weights ?? Array.ConvertAll(endpoints, static endpoint => Math.Max(0, endpoint.Endpoint.Weight));
    }

    /// <summary>The endpoints that may take traffic, at least one.</summary>
    public IReadOnlyList<EndpointState> Endpoints { get; }

    /// <summary>
    /// The weight of each endpoint, in the order of <see cref="Endpoints"/>: what the catalog says, times what localities,
    /// warm-up and aperture make of it. Only their ratio means something. Either all are above zero, or all are zero and
    /// count as equal.
    /// </summary>
    public IReadOnlyList<int> Weights => WeightArray;

    /// <summary>The source of randomness.</summary>
    public IRandomSource Random { get; }

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; }

    /// <summary>The address of the calling process, which <c>useSourceIp</c> hashes.</summary>
    public string SourceAddress { get; }

    internal EndpointState[] EndpointArray { get; }

    internal int[] WeightArray { get; }

    internal LoadBalancerConfig? Config { get; }
}
