namespace Mesh.Discovery.Consul;

/// <summary>Turns what Consul knows of a service's instances into endpoints.</summary>
/// <remarks>Not safe for concurrent use: equal parts are kept once.</remarks>
internal sealed class HealthReader(ConsulOptions options)
{
    /// <summary>The kind of a sidecar: it speaks mTLS with Consul's certificates for the instance that it stands before.</summary>
    private const string SidecarKind = "connect-proxy";

    private readonly Dictionary<string, ConsulNode> _nodes = new(StringComparer.Ordinal);
    private readonly Dictionary<Labels, Labels> _labels = [];

    /// <summary>The instances in one namespace, ordered by address; of several at one address the healthiest.</summary>
    /// <param name="entries">As Consul lists them.</param>
    /// <param name="namespace">The namespace that is asked for; null for any.</param>
    /// <param name="own">The namespace of instances that do not name theirs.</param>
    /// <param name="connect">
    /// Who speaks mTLS for the service. A sidecar takes the place of the instance that it stands before: as that says of itself, at the
    /// sidecar's address, and well if both are.
    /// </param>
    public IReadOnlyList<Endpoint> Read(HealthEntry[] entries, string? @namespace, string own, HealthEntry[]? connect = null)
    {
        _nodes.Clear();
        _labels.Clear();
        var sidecars = SidecarsByInstance(connect ?? []);
        var endpoints = new SortedDictionary<string, Endpoint>(StringComparer.Ordinal);
        var before = new HashSet<HealthEntry>(ReferenceEqualityComparer.Instance);
        foreach (var entry in entries)
        {
            if (entry is not { Service: { } service, Node: { } node })
            {
                continue;
            }

            // One that does not name its instance stands before all of its node.
            var sidecar = sidecars.Count == 0 ? null
                : sidecars.GetValueOrDefault((node.Node ?? "", service.ID ?? "")) ?? sidecars.GetValueOrDefault((node.Node ?? "", ""));
            if (sidecar is not null)
            {
                before.Add(sidecar);
            }

            Add(entry, service, node, sidecar);
        }

        // Of the instance behind it nothing is known.
        foreach (var sidecar in sidecars.Values)
        {
            if (!before.Contains(sidecar))
            {
                Add(sidecar, sidecar.Service!, sidecar.Node!, sidecar);
            }
        }

        return [.. endpoints.Values];

        void Add(HealthEntry entry, HealthService service, HealthNode node, HealthEntry? sidecar)
        {
            // Consul has no nulls there, but what answers may be something else.
            var meta = Intern(new Labels((service.Meta ?? []).Where(static pair => pair.Value is not null)));
            if (@namespace is not null && !@namespace.Equals(ConsulMeta.Namespace(meta) ?? own, StringComparison.OrdinalIgnoreCase))
            {
                return;
            }

            if (Read(entry, service, node, meta, sidecar) is { } endpoint
                && (!endpoints.TryGetValue(endpoint.Address.Authority, out var other) || other.Health != EndpointHealth.Healthy))
            {
                endpoints[endpoint.Address.Authority] = endpoint;
            }
        }
    }

    /// <summary>Of two before one instance the healthier one.</summary>
    private static Dictionary<(string Node, string Instance), HealthEntry> SidecarsByInstance(HealthEntry[] connect)
    {
        var sidecars = new Dictionary<(string, string), HealthEntry>();
        foreach (var entry in connect)
        {
            if (entry is { Service: { Kind: SidecarKind } service, Node: { } node })
            {
                var key = (node.Node ?? "", service.Proxy?.DestinationServiceID ?? "");
                if (!sidecars.TryGetValue(key, out var other) || StateOf(other).IsCritical)
                {
                    sidecars[key] = entry;
                }
            }
        }

        return sidecars;
    }

    private Endpoint? Read(HealthEntry entry, HealthService service, HealthNode node, Labels meta, HealthEntry? sidecar)
    {
        var address = sidecar is null ? AddressOf(service, node, meta) : AddressOf(sidecar.Service!, sidecar.Node!, Labels.Empty);
        if (address is null)
        {
            return null;
        }

        var (isCritical, isWarning) = StateOf(entry);
        if (sidecar is not null)
        {
            var (isSidecarCritical, isSidecarWarning) = StateOf(sidecar);
            (isCritical, isWarning) = (isCritical || isSidecarCritical, isWarning || isSidecarWarning);
        }

        var weights = service.Weights ?? new HealthWeights(1, 1);
        var instance = new ConsulInstance
        {
            Id = service.ID ?? "",
            Service = service.Service ?? "",
            Tags = service.Tags ?? [],
            Meta = meta,
            Address = service.Address ?? "",
            Port = service.Port,
            Node = NodeOf(node),
            IsWarning = isWarning,
            IsProxy = sidecar is not null,
        };
        return new Endpoint
        {
            Address = address,
            Labels = Intern(ConsulMeta.ReadLabels(meta)),
            Weight = ConsulMeta.Weight(meta, Math.Max(0, isWarning ? weights.Warning : weights.Passing)),
            Locality = LocalityOf(service, node, meta),
            Health = isCritical || (isWarning && options.PassingOnly) ? EndpointHealth.Unhealthy : EndpointHealth.Healthy,
            SpeaksMtls = sidecar is not null || ConsulMeta.SpeaksMtls(meta) || (options.UsesConnect && service.Connect is { Native: true }),
            Consul = instance,
        };
    }

    private Uri? AddressOf(HealthService service, HealthNode node, Labels meta)
    {
        var (host, port) = (service.Address, service.Port);
        if (options.TaggedAddress.Length > 0 && service.TaggedAddresses?.GetValueOrDefault(options.TaggedAddress) is { } tagged)
        {
            (host, port) = (tagged.Address, tagged.Port > 0 ? tagged.Port : port);
        }

        // Null for a service without a port, for example: nothing can be dialled there.
        return ConsulMeta.Address(meta, string.IsNullOrEmpty(host) ? node.Address ?? "" : host, port);
    }

    /// <summary>The worst of all checks counts, those of the node included; what is not known is critical, as in Consul.</summary>
    private static (bool IsCritical, bool IsWarning) StateOf(HealthEntry entry)
    {
        var isWarning = false;
        foreach (var check in entry.Checks ?? [])
        {
            switch (check?.Status)
            {
                case "passing":
                    break;
                case "warning":
                    isWarning = true;
                    break;
                default:
                    return (true, false);
            }
        }

        return (false, isWarning);
    }

    /// <summary>What the instance says of itself, or what is known of its node.</summary>
    private static Locality LocalityOf(HealthService service, HealthNode node, Labels meta)
    {
        var own = ConsulMeta.Locality(meta);
        if (own != Locality.Unknown)
        {
            return own;
        }

        var known = service.Locality ?? node.Locality;
        var region = known?.Region ?? node.Meta?.GetValueOrDefault("region") ?? node.Datacenter ?? "";
        var zone = known?.Zone ?? node.Meta?.GetValueOrDefault("zone") ?? "";
        return new Locality(region, zone);
    }

    private ConsulNode NodeOf(HealthNode node)
    {
        var name = node.Node ?? "";
        if (!_nodes.TryGetValue(name, out var known))
        {
            known = new ConsulNode(name, node.ID ?? "", node.Address ?? "", node.Datacenter ?? "", new Labels((node.Meta ?? []).Where(static pair => pair.Value is not null)));
            _nodes[name] = known;
        }

        return known;
    }

    private Labels Intern(Labels labels)
    {
        if (!_labels.TryGetValue(labels, out var known))
        {
            _labels[labels] = known = labels;
        }

        return known;
    }
}
