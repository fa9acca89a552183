using System.Net;

namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads the body of a ServiceEntry.</summary>
internal static class ServiceEntryReader
{
    public const int MaxWeight = 65535;

    private static readonly string[] s_protocols =
        ["HTTP", "HTTPS", "GRPC", "GRPC-WEB", "HTTP2", "TLS", "TCP", "MONGO", "MYSQL", "REDIS", "UDP"];

    public static ServiceEntryConfig Read(ObjectReader spec, ServiceEntryConfig identity)
    {
        var hosts = new List<string>();
        foreach (var item in spec.Require("hosts")?.Items() ?? [])
        {
            if (item.Host(wildcard: true) is { } host)
            {
                hosts.Add(host);
            }
        }

        spec.Find("location")?.OneOf(("MESH_EXTERNAL", 0), ("MESH_INTERNAL", 1));
        var resolution = Resolution(spec.Find("resolution"));
        var ports = Ports(spec);
        var endpoints = new List<WorkloadEntryConfig>();
        foreach (var endpoint in spec.Objects("endpoints"))
        {
            if (Endpoint(endpoint, resolution, ports) is { } read)
            {
                endpoints.Add(read);
            }
        }

        if (spec.Node.Find("hosts") is { Value: ListNode { Items.Count: 0 } })
        {
            spec.Find("hosts")!.Value.Error("is empty; at least one host is wanted");
        }

        if (resolution == ServiceResolution.None && endpoints.Count > 0)
        {
            spec.Find("endpoints")!.Value.Error(
                "endpoints have no effect with the resolution NONE; allowed: the resolution STATIC or DNS");
        }

        if (resolution == ServiceResolution.Static && spec.Node.Find("endpoints") is null)
        {
            spec.Error("the resolution STATIC wants 'endpoints'");
        }

        var names = TlsReader.Names(spec);
        spec.NotSupported("addresses", "exportTo", "workloadSelector");
        spec.Done();
        return identity with { Hosts = hosts, Ports = ports, Resolution = resolution, Endpoints = endpoints, SubjectAltNames = names };
    }

    private static ServiceResolution Resolution(RuleValue? value)
    {
        if (value is { Node: ScalarNode { Text: "DYNAMIC_DNS" } } dynamic)
        {
            dynamic.Reading.NotSupported(dynamic.Location, "the resolution DYNAMIC_DNS", "NONE is used in its place");
            return ServiceResolution.None;
        }

        return value?.OneOf(
            ("NONE", ServiceResolution.None),
            ("STATIC", ServiceResolution.Static),
            ("DNS", ServiceResolution.Dns),
            ("DNS_ROUND_ROBIN", ServiceResolution.Dns)) ?? ServiceResolution.None;
    }

    private static List<ServicePortConfig> Ports(ObjectReader spec)
    {
        var result = new List<ServicePortConfig>();
        foreach (var port in spec.Objects("ports"))
        {
            var number = port.Require("number")?.Int(1, 65535);
            var name = port.RequireText("name");
            var protocol = Protocol(port, name);
            var target = port.Port("targetPort");
            port.Done();
            if (result.Exists(other => other.Number == number || other.Name == name))
            {
                port.Error("a port of this number or name is already defined; both must be unique");
            }

            if (number is { } known && name is not null)
            {
                result.Add(new ServicePortConfig(known, name, protocol, target, port.Location));
            }
        }

        return result;
    }

    /// <summary>As written, or by Kubernetes' convention the part of the port's name before a dash.</summary>
    private static string Protocol(ObjectReader port, string? name)
    {
        var written = port.Text("protocol");
        if (written is null)
        {
            var prefix = name?.Split('-')[0].ToUpperInvariant();
            return s_protocols.Contains(prefix) ? prefix! : "HTTP";
        }

        var known = Array.Find(s_protocols, word => word.Equals(written, StringComparison.OrdinalIgnoreCase));
        var value = port.Find("protocol")!.Value;
        if (known is null)
        {
            value.Refuse("is not a protocol", string.Join(", ", s_protocols));
        }
        else if (known is "TCP" or "MONGO" or "MYSQL" or "REDIS" or "UDP")
        {
            value.Reading.NotSupported(
                value.Location, $"the protocol {known}", "only HTTP calls to this port are meshed");
        }

        return known ?? "HTTP";
    }

    private static WorkloadEntryConfig? Endpoint(
        ObjectReader endpoint, ServiceResolution resolution, List<ServicePortConfig> ports)
    {
        var address = endpoint.Require("address");
        var text = address is { } written ? Address(written, resolution) : null;
        var overrides = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var (name, value) in endpoint.Entries("ports"))
        {
            if (!ports.Exists(port => port.Name == name))
            {
                value.RefuseWord(name, "is no port of this ServiceEntry", [.. ports.Select(static port => port.Name)]);
            }

            if (value.Int(1, 65535) is { } number)
            {
                overrides[name] = number;
            }
        }

        var result = new WorkloadEntryConfig
        {
            Location = endpoint.Location,
            Address = text ?? "",
            Ports = overrides,
            Labels = endpoint.Labels("labels"),
            Weight = endpoint.Int("weight", 0, MaxWeight) ?? 1,
            Locality = Place(endpoint.Find("locality")),
        };
        endpoint.NotSupported("network", "serviceAccount");
        endpoint.Done();
        return text is null ? null : result;
    }

    private static string? Address(RuleValue value, ServiceResolution resolution)
    {
        if (value.Node is ScalarNode { Text: { } text } && text.StartsWith("unix://", StringComparison.Ordinal))
        {
            value.Reading.NotSupported(value.Location, "an endpoint at a Unix socket", "the endpoint is left out");
            return null;
        }

        if (value.Host() is not { } host)
        {
            return null;
        }

        if (resolution == ServiceResolution.Static && !IPAddress.TryParse(host, out _))
        {
            value.Refuse("is not an IP address", "an IP address, or the resolution DNS");
            return null;
        }

        return host;
    }

    private static Locality Place(RuleValue? value)
    {
        if (value?.Line() is not { Length: > 0 } text)
        {
            return Locality.Unknown;
        }

        var parts = text.Split('/');
        if (parts.Length > 3)
        {
            value.Value.Refuse("is not a locality", "region, region/zone or region/zone/subzone");
            return Locality.Unknown;
        }

        return new Locality(parts[0], parts.ElementAtOrDefault(1) ?? "", parts.ElementAtOrDefault(2) ?? "");
    }
}
