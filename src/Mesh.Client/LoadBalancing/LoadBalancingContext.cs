using Mesh.Discovery;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;

namespace Mesh.Client.LoadBalancing;

/// <summary>What a policy prepares a picker from.</summary>
public sealed class LoadBalancingContext
{
    internal LoadBalancingContext(
        EndpointState[] endpoints, LoadBalancerConfig? config, IRandomSource random, TimeProvider time, string sourceAddress)
    {
        Endpoints = endpoints;
        EndpointArray = endpoints;
        Config = config;
        Random = random;
        Time = time;
        SourceAddress = sourceAddress;
    }

    /// <summary>
    /// The endpoints that may take traffic, at least one. Either all weights are above zero, or all are zero and count
    /// as equal.
    /// </summary>
    public IReadOnlyList<EndpointState> Endpoints { get; }

    /// <summary>The source of randomness.</summary>
    public IRandomSource Random { get; }

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; }

    /// <summary>The address of the calling process, which <c>useSourceIp</c> hashes.</summary>
    public string SourceAddress { get; }

    internal EndpointState[] EndpointArray { get; }

    internal LoadBalancerConfig? Config { get; }
}
