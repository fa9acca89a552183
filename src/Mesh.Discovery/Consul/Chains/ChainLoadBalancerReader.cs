using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Consul.Chains;

/// <summary>Maps Consul's load balancers, which are Envoy's, to ours.</summary>
internal static class ChainLoadBalancerReader
{
    /// <summary>Envoy's bound.</summary>
    private const ulong MaxRingSize = 8 * 1024 * 1024;

    /// <summary>Consul asks for no outlier detection: its own checks tell who is well.</summary>
    private static readonly LocalityLbConfig s_failover = new() { Enabled = true };

    /// <summary>Null if nothing is said.</summary>
    public static LoadBalancerConfig? Read(
        ChainLoadBalancer? config, ChainLocality? locality, SourceLocation location, Action<string, string> warn)
    {
        var result = Read(config, location, warn);
        if (locality?.IsFailover == true)
        {
            return (result ?? new LoadBalancerConfig { Location = location }) with { LocalityLbSetting = s_failover };
        }

        if (!string.IsNullOrEmpty(locality?.Mode) && locality.Mode != "none")
        {
            warn("PrioritizeByLocality.Mode", $"the mode '{locality.Mode}' is not supported and has no effect; supported are failover, none");
        }

        return result;
    }

    private static LoadBalancerConfig? Read(ChainLoadBalancer? config, SourceLocation location, Action<string, string> warn)
    {
        var policy = config?.Policy ?? "";
        switch (policy)
        {
            case "":
                return null;
            case "random":
                return Simple("RANDOM");
            case "round_robin":
                return Simple("ROUND_ROBIN");
            case "least_request":
                return Simple("LEAST_REQUEST");
            case "ring_hash" or "maglev":
                // As in Envoy, without anything to hash by, each endpoint is as good.
                return Hash(config!, warn) is { } hash
                    ? new LoadBalancerConfig { Location = location, ConsistentHash = hash }
                    : Simple("RANDOM");
            default:
                warn("LoadBalancer.Policy", $"the policy '{policy}' is not supported and has no effect; supported are "
                    + "random, round_robin, least_request, ring_hash, maglev");
                return null;
        }

        LoadBalancerConfig Simple(string name) => new() { Location = location, Simple = name };
    }

    private static ConsistentHashConfig? Hash(ChainLoadBalancer config, Action<string, string> warn)
    {
        var policies = (config.HashPolicies ?? []).OfType<ChainHashPolicy>().ToList();
        if (policies.Count > 1)
        {
            warn("LoadBalancer.HashPolicies", $"there are {policies.Count}; the first that is supported is used, the others have no effect");
        }

        var ring = config.RingHashConfig?.MinimumRingSize ?? 0;
        foreach (var policy in policies)
        {
            var hash = new ConsistentHashConfig { Maglev = config.Policy == "maglev" };
            hash = ring > 0 ? hash with { MinimumRingSize = (int)Math.Min(ring, MaxRingSize) } : hash;
            var value = policy.FieldValue ?? "";
            switch (policy.Field)
            {
                case null or "" when policy.SourceIp:
                    return hash with { UseSourceIp = true };
                case "header" when Rules.Reading.HostText.IsToken(value):
                    return hash with { HttpHeaderName = value };
                case "query_parameter" when value.Length > 0:
                    return hash with { HttpQueryParameterName = value };
                case "cookie" when Rules.Reading.HostText.IsToken(value):
                    return hash with { HttpCookie = Cookie(value, policy.CookieConfig) };
                default:
                    warn("LoadBalancer.HashPolicies", $"the field '{policy.Field}' with the value '{value}' is not supported and has no effect; "
                        + "supported are header, cookie, query_parameter and SourceIP");
                    break;
            }
        }

        return null;
    }

    /// <summary>A cookie for the session is one with a time to live of zero, as in Istio; without either none is made.</summary>
    private static HashCookieConfig Cookie(string name, ChainCookie? config) => new(
        name,
        string.IsNullOrEmpty(config?.Path) ? null : config.Path,
        config is null ? null : config.Session ? TimeSpan.Zero : config.Ttl > TimeSpan.Zero ? config.Ttl : null);
}
