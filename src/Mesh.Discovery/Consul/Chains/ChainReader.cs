using Mesh.Discovery.Consul.Filters;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Rules.Reading;

namespace Mesh.Discovery.Consul.Chains;

/// <summary>Makes rules of one compiled discovery chain.</summary>
/// <remarks>
/// A chain is a graph that starts at a router, a splitter or a resolver. Every route of the router leads to one of the
/// other two; splitters may follow each other, and all end at resolvers, which name targets.
/// </remarks>
internal sealed class ChainReader
{
    private const int MaxRoutes = 2000;
    private const int MaxArms = 20_000;
    private const int MaxDepth = 16;
    private const int MaxFailover = 64;

    private readonly string _service;
    private readonly DiscoveryChain _chain;
    private readonly string _namespace;
    private readonly SourceLocation _location;
    private readonly List<RuleIssue> _issues = [];
    private readonly Dictionary<string, ChainHost> _hosts = new(StringComparer.OrdinalIgnoreCase);
    private readonly HashSet<string> _path = new(StringComparer.Ordinal);
    private int _arms;

    private ChainReader(string service, DiscoveryChain chain, string @namespace)
    {
        _service = service;
        _chain = chain;
        _namespace = @namespace;
        _location = Location(service, "");
    }

    /// <summary>Where a chain's rules say that they are from.</summary>
    public static SourceLocation Location(string service, string path) =>
        new($"consul discovery-chain/{service}", path, 0, $"DiscoveryChain {service}");

    /// <summary>Reads; what cannot be used makes the whole chain unusable, which is then an error among the issues.</summary>
    public static ChainRules Read(string service, DiscoveryChain chain, string @namespace)
    {
        var reader = new ChainReader(service, chain, @namespace);
        try
        {
            var routes = reader.ReadStart();
            return new ChainRules(routes, [.. reader._hosts.Values], reader._issues);
        }
        catch (ConsulRuleException e)
        {
            return new ChainRules(null, [], [.. reader._issues, new RuleIssue(IssueSeverity.Error, Location(service, e.Path), e.Message)]);
        }
    }

    private VirtualServiceConfig? ReadStart()
    {
        var own = ConsulName.Service(_service, _namespace, "ServiceName");
        var start = Node(_chain.StartNode, "StartNode");
        List<RouteConfig> routes;
        if (start.Type == "router")
        {
            routes = ReadRoutes(start);
        }
        else
        {
            var route = ReadRoute(_location with { Path = start.Type ?? "" }, [], null, _chain.StartNode, start.Type ?? "");
            var isPlain = route.Route is [{ Subset: null, Failover.Count: 0 } only] && only.Host == own.Host;
            routes = start.Type == "resolver" && isPlain ? [] : [route];
        }

        return routes.Count == 0 ? null : new VirtualServiceConfig
        {
            Name = "consul:" + _service,
            Namespace = _namespace,
            Location = _location,
            Hosts = [own.Host],
            Http = routes,
        };
    }

    private List<RouteConfig> ReadRoutes(ChainNode router)
    {
        var routes = new List<RouteConfig>();
        if (router.Routes?.Count > MaxRoutes)
        {
            throw new ConsulRuleException("router.Routes", $"it has {router.Routes.Count} entries; at most {MaxRoutes} are supported");
        }

        for (var i = 0; i < router.Routes?.Count; i++)
        {
            var path = $"router.Routes[{i}]";
            var route = router.Routes[i] ?? throw new ConsulRuleException(path, "it is null");
            var condition = route.Definition?.Match;
            ConsulMatchReader.CheckOthers(condition?.Others, path + ".Match", "HTTP");
            var match = ConsulMatchReader.Read(condition?.Http, _location with { Path = path + ".Match.HTTP" });
            var isLast = match.Count == 0 || match is
            [
                {
                    Uri: { Kind: StringMatchKind.Prefix, Value: "/" }, Method: null,
                    Headers.Count: 0, WithoutHeaders.Count: 0, QueryParams.Count: 0,
                },
            ];

            // Without the condition that is always fulfilled, unless a rewrite needs to know its prefix.
            var destination = route.Definition?.Destination;
            match = isLast && string.IsNullOrEmpty(destination?.PrefixRewrite) ? [] : match;
            routes.Add(ReadRoute(_location with { Path = path }, match, destination, route.NextNode, path));
            if (isLast)
            {
                // Consul adds its own catch-all behind one that is there already.
                break;
            }
        }

        return routes;
    }

    private RouteConfig ReadRoute(
        SourceLocation location, IReadOnlyList<RouteMatchConfig> match, ChainRouteDestination? destination, string? nextNode, string path)
    {
        var shares = Shares(nextNode, path, [], 0);
        var arms = shares.Arms(path).ToList();
        var prefix = destination?.PrefixRewrite;
        if (!string.IsNullOrEmpty(prefix) && !prefix.StartsWith('/'))
        {
            throw new ConsulRuleException(path + ".Destination.PrefixRewrite", $"'{prefix}' is not allowed; a path starts with '/'");
        }

        return new RouteConfig
        {
            Location = location,
            Match = match,
            Route = [.. arms.Select(arm => ReadArm(arm.Arm, arms.Count == 1 ? 1 : arm.Weight))],
            Rewrite = string.IsNullOrEmpty(prefix) || !match.Any(static entry => entry.Uri is not null)
                ? null
                : new RewriteConfig { Location = location with { Path = path + ".Destination.PrefixRewrite" }, Uri = prefix },
            Headers = ChainHeadersReader.Read(path + ".Destination", [(destination?.RequestHeaders, destination?.ResponseHeaders)]),
            Timeout = TimeoutOf(destination, arms),
            Retries = ReadRetries(destination, location with { Path = path + ".Destination" }),
        };
    }

    /// <summary>The route's own one; else the longest of its resolvers, if all have one.</summary>
    private static TimeSpan? TimeoutOf(ChainRouteDestination? destination, List<(ChainArm Arm, int Weight)> arms)
    {
        var timeout = destination?.RequestTimeout ?? TimeSpan.Zero;
        if (timeout == TimeSpan.Zero)
        {
            var given = arms.Select(static arm => arm.Arm.Resolver.RequestTimeout).ToList();
            timeout = given.Count == 0 || given.Contains(TimeSpan.Zero) ? TimeSpan.Zero
                : given.Exists(static resolver => resolver < TimeSpan.Zero) ? given.Min() : given.Max();
        }

        // Consul's negative one is none.
        return timeout == TimeSpan.Zero ? null : timeout < TimeSpan.Zero ? TimeSpan.Zero : timeout;
    }

    private RetryConfig? ReadRetries(ChainRouteDestination? destination, SourceLocation location)
    {
        const int maxRetries = 100;
        if (destination is null || (destination.NumRetries == 0 && !destination.RetryOnConnectFailure
            && (destination.RetryOn?.Count ?? 0) == 0 && (destination.RetryOnStatusCodes?.Count ?? 0) == 0))
        {
            return null;
        }

        var conditions = new List<string>();
        if (destination.RetryOnConnectFailure)
        {
            conditions.Add("connect-failure");
        }

        foreach (var word in destination.RetryOn ?? [])
        {
            if (ChainRetryWords.Supported.Contains(word ?? ""))
            {
                conditions.Add(word!);
            }
            else
            {
                Warn(location.Path + ".RetryOn", $"the condition '{word}' is not supported and has no effect; "
                    + $"supported are {string.Join(", ", ChainRetryWords.Supported)}");
            }
        }

        foreach (var status in destination.RetryOnStatusCodes ?? [])
        {
            if (status is >= 100 and <= 599)
            {
                conditions.Add(status.ToString(System.Globalization.CultureInfo.InvariantCulture));
            }
            else
            {
                Warn(location.Path + ".RetryOnStatusCodes", $"{status} is not a status from 100 to 599 and has no effect");
            }
        }

        return new RetryConfig
        {
            Location = location,

            // Envoy's default is 1.
            Attempts = destination.NumRetries == 0 ? 1 : (int)Math.Min(destination.NumRetries, maxRetries),
            RetryOn = conditions.Count == 0 ? null : string.Join(',', conditions.Distinct(StringComparer.Ordinal)),
        };
    }

    private ChainShares Shares(string? key, string path, IReadOnlyList<ChainSplitDefinition> outer, int depth)
    {
        var node = Node(key, path);
        if (depth > MaxDepth || !_path.Add(key!))
        {
            throw new ConsulRuleException(path, $"the splitters lead in a circle, or follow each other more than {MaxDepth} times");
        }

        try
        {
            return node switch
            {
                { Type: "resolver", Resolver: { } resolver } => Resolved(node, resolver, path, outer),
                { Type: "splitter", Splits: { } splits } => Split(splits, path, outer, depth),
                _ => throw new ConsulRuleException(path, $"the node '{key}' of type '{node.Type}' is not supported here; supported are splitter and resolver"),
            };
        }
        finally
        {
            _path.Remove(key!);
        }
    }

    private ChainShares Resolved(ChainNode node, ChainResolver resolver, string path, IReadOnlyList<ChainSplitDefinition> outer)
    {
        if (++_arms > MaxArms)
        {
            throw new ConsulRuleException(path, $"the chain has more than {MaxArms} destinations");
        }

        var target = Target(resolver.Target, path + ".Target");
        var host = Host(target, path + ".Target");
        host.IsResolved = true;
        host.LoadBalancer = ChainLoadBalancerReader.Read(
            node.LoadBalancer, resolver.PrioritizeByLocality, Location(host.Name, "LoadBalancer"), Warn);
        return ChainShares.Of(new ChainArm(resolver, path, outer));
    }

    private ChainShares Split(IReadOnlyList<ChainSplit?> splits, string path, IReadOnlyList<ChainSplitDefinition> outer, int depth)
    {
        var legs = new List<(int, ChainShares)>();
        for (var i = 0; i < splits.Count; i++)
        {
            var at = $"{path}.Splits[{i}]";
            var split = splits[i] ?? throw new ConsulRuleException(at, "it is null");
            var weight = ChainShares.Weight(split.Weight, at + ".Weight");
            if (weight > 0)
            {
                legs.Add((weight, Shares(split.NextNode, at, split.Definition is { } own ? [.. outer, own] : outer, depth + 1)));
            }
        }

        return legs.Count > 0
            ? ChainShares.Split(legs, path)
            : throw new ConsulRuleException(path, "no split has a weight above 0");
    }

    private RouteDestinationConfig ReadArm(ChainArm arm, int weight)
    {
        var location = _location with { Path = arm.Path };
        var target = Target(arm.Resolver.Target, arm.Path);
        var failover = new List<FailoverConfig>();
        var others = arm.Resolver.Failover?.Targets ?? [];
        if (others.Count > MaxFailover)
        {
            throw new ConsulRuleException(arm.Path + ".Failover", $"it has {others.Count} targets; at most {MaxFailover} are supported");
        }

        for (var i = 0; i < others.Count; i++)
        {
            var path = $"{arm.Path}.Failover.Targets[{i}]";
            var other = Target(others[i], path);
            if (!string.IsNullOrEmpty(other.Peer))
            {
                Warn(path, $"the target is in the peer '{other.Peer}', which is not supported; it is left out");
                continue;
            }

            failover.Add(new FailoverConfig(Host(other, path).Host, SubsetOf(other), null, _location with { Path = path }));
        }

        return new RouteDestinationConfig
        {
            Location = location,
            Host = Host(target, arm.Path).Host,
            Subset = SubsetOf(target),
            Weight = weight,
            Headers = ChainHeadersReader.Read(arm.Path, [.. arm.Splits.Select(static split => (split.RequestHeaders, split.ResponseHeaders))]),
            Failover = failover,
        };
    }

    private ChainNode Node(string? key, string path) =>
        key is not null && _chain.Nodes?.GetValueOrDefault(key) is { } node
            ? node
            : throw new ConsulRuleException(path, $"there is no node '{key}' in the chain");

    private ChainTarget Target(string? key, string path) =>
        key is not null && _chain.Targets?.GetValueOrDefault(key) is { } target
            ? target
            : throw new ConsulRuleException(path, $"there is no target '{key}' in the chain");

    private static string? SubsetOf(ChainTarget target) => string.IsNullOrEmpty(target.ServiceSubset) ? null : target.ServiceSubset;

    /// <summary>The host of a target, with the target's subset.</summary>
    private ChainHost Host(ChainTarget target, string path)
    {
        if (!string.IsNullOrEmpty(target.Peer))
        {
            throw new ConsulRuleException(path, $"the target is in the peer '{target.Peer}', which is not supported");
        }

        if (IsOther(target.Namespace, _chain.Namespace) || IsOther(target.Partition, _chain.Partition))
        {
            throw new ConsulRuleException(path, $"the target is in another namespace or partition of Consul ('{target.Namespace}', "
                + $"'{target.Partition}'), which is not supported");
        }

        var name = ConsulName.Service(target.Service, _namespace, path);
        var host = name.Host;
        var shown = target.Service!;
        if (IsOther(target.Datacenter, _chain.Datacenter))
        {
            ConsulName.Check(target.Datacenter, path);
            host = shown = ConsulServiceName.HostIn(name.Name, target.Datacenter!.ToLowerInvariant());
        }

        if (!_hosts.TryGetValue(host, out var known))
        {
            _hosts[host] = known = new ChainHost(host, shown);
        }

        if (SubsetOf(target) is { } subset && !known.Subsets.ContainsKey(subset))
        {
            known.Subsets[subset] = ReadSubset(subset, target.Subset, Location(shown, $"Subsets.{subset}"), path);
        }

        return known;
    }

    private static SubsetConfig ReadSubset(string name, ChainSubset? subset, SourceLocation location, string path)
    {
        try
        {
            return new SubsetConfig
            {
                Location = location,
                Name = name,
                Filter = string.IsNullOrWhiteSpace(subset?.Filter) ? null : FilterExpression.Parse(subset.Filter),
                OnlyPassing = subset?.OnlyPassing == true,
            };
        }
        catch (FilterException e)
        {
            throw new ConsulRuleException($"{path} (subset {name}).Filter", $"the filter {RuleText.Quote(subset!.Filter!)}: {e.Message}");
        }
    }

    private static bool IsOther(string? one, string? own) =>
        !string.IsNullOrEmpty(one) && !string.IsNullOrEmpty(own) && !one.Equals(own, StringComparison.OrdinalIgnoreCase);

    private void Warn(string path, string message)
    {
        var issue = new RuleIssue(IssueSeverity.Warning, _location with { Path = path }, message);
        if (!_issues.Contains(issue))
        {
            _issues.Add(issue);
        }
    }
}
