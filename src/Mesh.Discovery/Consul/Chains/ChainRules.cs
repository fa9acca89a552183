using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Consul.Chains;

/// <summary>What one chain says.</summary>
/// <param name="Routes">Null if it says nothing about routes.</param>
/// <param name="Hosts">What it says about the hosts that it names.</param>
/// <param name="Issues">What is wrong with it.</param>
internal sealed record ChainRules(VirtualServiceConfig? Routes, IReadOnlyList<ChainHost> Hosts, IReadOnlyList<RuleIssue> Issues)
{
    public static readonly ChainRules None = new(null, [], []);
}

/// <summary>What a chain says about a host.</summary>
internal sealed class ChainHost(string host, string name)
{
    public string Host { get; } = host;

    /// <summary>As in the name of the document: the service, or the host in another datacenter.</summary>
    public string Name { get; } = name;

    public Dictionary<string, SubsetConfig> Subsets { get; } = new(StringComparer.Ordinal);

    /// <summary>Whether the chain has a resolver of the host, and so says which load balancer it has, if any.</summary>
    public bool IsResolved { get; set; }

    public LoadBalancerConfig? LoadBalancer { get; set; }
}
