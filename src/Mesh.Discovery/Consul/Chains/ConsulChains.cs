using System.Text.Json;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Consul.Chains;

/// <summary>
/// The rules of all discovery chains that are known. What has not changed stays the same object. A chain that cannot be
/// used leaves what was good of it.
/// </summary>
/// <remarks>
/// Each chain gives at most one document of routes. What chains say of a host (subsets, load balancer) is one document
/// for the host, because several chains may lead there. Not safe for concurrent use.
/// </remarks>
internal sealed class ConsulChains(string @namespace)
{
    private readonly SortedDictionary<string, Known> _chains = new(StringComparer.Ordinal);
    private Dictionary<string, DestinationRuleConfig> _hosts = new(StringComparer.OrdinalIgnoreCase);
    private RuleBatch? _batch = RuleBatch.Empty;

    /// <summary>All rules, and what is wrong with the chains.</summary>
    public RuleBatch Batch => _batch ??= CreateBatch();

    /// <summary>Takes the chain of a service; null if it is not followed any more.</summary>
    /// <returns>Whether the rules or what is wrong with them have changed.</returns>
    public bool Update(string service, DiscoveryChain? chain)
    {
        if (chain is null)
        {
            if (!_chains.Remove(service))
            {
                return false;
            }

            _batch = null;
            return true;
        }

        var content = JsonSerializer.SerializeToUtf8Bytes(chain, ConsulChainJson.Default.DiscoveryChain);
        var known = _chains.GetValueOrDefault(service);
        if (known is not null && known.Content.AsSpan().SequenceEqual(content))
        {
            return false;
        }

        var rules = ChainReader.Read(service, chain, @namespace);
        if (rules.Issues.Any(static issue => issue.Severity == IssueSeverity.Error) && known is not null)
        {
            rules = known.Rules with { Issues = rules.Issues };
        }

        _chains[service] = new Known(content, rules);
        _batch = null;
        return true;
    }

    private RuleBatch CreateBatch()
    {
        var rules = new List<RuleConfig>();
        var issues = new List<RuleIssue>();
        var byHost = new SortedDictionary<string, List<(string Service, ChainHost Host)>>(StringComparer.OrdinalIgnoreCase);
        foreach (var (service, known) in _chains)
        {
            issues.AddRange(known.Rules.Issues);
            if (known.Rules.Routes is { } routes)
            {
                rules.Add(routes);
            }

            foreach (var host in known.Rules.Hosts)
            {
                if (!byHost.TryGetValue(host.Host, out var all))
                {
                    byHost[host.Host] = all = [];
                }

                // What the host's own chain says is the newest; of others the first one's.
                all.Insert(service.Equals(host.Name, StringComparison.OrdinalIgnoreCase) ? 0 : all.Count, (service, host));
            }
        }

        var hosts = new Dictionary<string, DestinationRuleConfig>(StringComparer.OrdinalIgnoreCase);
        foreach (var (host, said) in byHost)
        {
            var subsets = said.SelectMany(static one => one.Host.Subsets.Values)
                .DistinctBy(static subset => subset.Name).OrderBy(static subset => subset.Name, StringComparer.Ordinal).ToArray();
            var loadBalancer = said.Find(static one => one.Host.IsResolved).Host?.LoadBalancer;
            if (subsets.Length > 0 || loadBalancer is not null)
            {
                var name = said[0].Host.Name;
                hosts[host] = _hosts.TryGetValue(host, out var before) && IsSame(before, subsets, loadBalancer)
                    ? before
                    : new DestinationRuleConfig
                    {
                        Name = "consul:" + name,
                        Namespace = @namespace,
                        Location = ChainReader.Location(name, ""),
                        Host = host,
                        Subsets = subsets,
                        TrafficPolicy = new TrafficPolicyConfig { LoadBalancer = loadBalancer },
                    };
                rules.Add(hosts[host]);
            }
        }

        _hosts = hosts;
        return new RuleBatch(rules, issues);
    }

    private static bool IsSame(DestinationRuleConfig before, SubsetConfig[] subsets, LoadBalancerConfig? loadBalancer) =>
        before.TrafficPolicy.LoadBalancer == loadBalancer
        && before.Subsets.Count == subsets.Length
        && before.Subsets.Zip(subsets).All(static pair => pair.First.Name == pair.Second.Name
            && pair.First.OnlyPassing == pair.Second.OnlyPassing && pair.First.Filter?.Text == pair.Second.Filter?.Text);

    private sealed record Known(byte[] Content, ChainRules Rules);
}
