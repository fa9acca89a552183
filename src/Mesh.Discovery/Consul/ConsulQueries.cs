using Mesh.Discovery.Consul.Chains;
using Mesh.Discovery.Consul.Intentions;

namespace Mesh.Discovery.Consul;

/// <summary>What the mesh follows in Consul.</summary>
internal static class ConsulQueries
{
    private const string HealthPath = "/v1/health/service/";
    private const string ConnectPath = "/v1/health/connect/";

    /// <summary>All instances of a service, also those that are ill.</summary>
    public static ConsulQuery<HealthEntry[]> Health(ConsulServiceName name, ConsulOptions options) => Instances(HealthPath, name, options);

    /// <summary>Who speaks mTLS for a service: its sidecars, and instances that do it themselves.</summary>
    public static ConsulQuery<HealthEntry[]> Connect(ConsulServiceName name, ConsulOptions options) => Instances(ConnectPath, name, options);

    private static ConsulQuery<HealthEntry[]> Instances(string path, ConsulServiceName name, ConsulOptions options) =>
        new(
            $"{path}{Uri.EscapeDataString(name.Service)}{Datacenter(name.Datacenter ?? options.Datacenter)}",
            ConsulHealthJson.Default.HealthEntryArray,
            $"service \"{name.Service}\" {{ policy = \"read\" }} and node_prefix \"\" {{ policy = \"read\" }}");

    /// <summary>How Consul puts a service's config entries together.</summary>
    public static ConsulQuery<DiscoveryChainAnswer> Chain(string service, ConsulOptions options) =>
        new(
            $"/v1/discovery-chain/{Uri.EscapeDataString(service)}{Datacenter(options.Datacenter)}",
            ConsulChainJson.Default.DiscoveryChainAnswer,
            $"service \"{service}\" {{ policy = \"read\" }}");

    /// <summary>All intentions that the token may see.</summary>
    public static ConsulQuery<IReadOnlyList<ConsulIntention?>> Intentions(ConsulOptions options) =>
        new(
            $"/v1/connect/intentions{Datacenter(options.Datacenter)}",
            ConsulChainJson.Default.IReadOnlyListConsulIntention,
            "service_prefix \"\" { policy = \"read\" }");

    /// <summary>The roots of Consul's CA.</summary>
    public static ConsulQuery<ConnectRoots> ConnectRoots(string service) =>
        new("/v1/agent/connect/ca/roots", ConsulConnectJson.Default.ConnectRoots, Write(service)) { IsOfAgentsCache = true };

    /// <summary>The certificate of a service with its private key.</summary>
    public static ConsulQuery<ConnectLeaf> ConnectLeaf(string service) =>
        new($"/v1/agent/connect/ca/leaf/{Uri.EscapeDataString(service)}", ConsulConnectJson.Default.ConnectLeaf, Write(service))
        {
            IsOfAgentsCache = true,
            IsSecret = true,
        };

    /// <summary>The service of a health query of this process; null for other queries.</summary>
    public static ServiceName? ServiceOf(string query, MeshOptions options)
    {
        if (!query.StartsWith(HealthPath, StringComparison.Ordinal))
        {
            return null;
        }

        var rest = query[HealthPath.Length..];
        var mark = rest.IndexOf('?');
        var (escaped, parameters) = mark < 0 ? (rest, "") : (rest[..mark], rest[mark..]);
        var service = Uri.UnescapeDataString(escaped);
        return service.Length == 0 || service.Contains('.') || parameters != Datacenter(options.Discovery.Consul.Datacenter)
            ? null
            : new ServiceName(service, options.Namespace);
    }

    private static string Write(string service) => $"service \"{service}\" {{ policy = \"write\" }}";

    private static string Datacenter(string name) => name.Length > 0 ? $"?dc={Uri.EscapeDataString(name)}" : "";
}
