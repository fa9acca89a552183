namespace Mesh.Discovery.Consul;

/// <summary>How a service of the mesh is called in Consul.</summary>
/// <param name="Service">The name in Consul, which has no namespaces.</param>
/// <param name="Namespace">The mesh's namespace; null for a service that is named as Consul's DNS names it.</param>
/// <param name="Datacenter">Another datacenter than the configured one; null for that.</param>
internal readonly record struct ConsulServiceName(string Service, string? Namespace, string? Datacenter)
{
    /// <summary>
    /// <c>reviews</c> in a namespace is the service <c>reviews</c>; <c>reviews.service.dc2.consul</c> is the one in that
    /// datacenter; null for every other host.
    /// </summary>
    public static ConsulServiceName? From(ServiceName name)
    {
        if (!name.IsExternal)
        {
            return new ConsulServiceName(name.Name, name.Namespace, null);
        }

        var parts = name.Host.Split('.');
        return parts is [{ Length: > 0 } service, "service", { Length: > 0 } datacenter, "consul"]
            ? new ConsulServiceName(service, null, datacenter)
            : null;
    }

    /// <summary>The host by which rules name a service of another datacenter.</summary>
    public static string HostIn(string service, string datacenter) => $"{service}.service.{datacenter}.consul";
}
