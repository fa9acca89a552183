using System.Globalization;
using System.Text.Json;
using Mesh.Discovery.Catalogs;

namespace Mesh.Discovery.Consul.Registration;

/// <summary>What Consul is told of an instance.</summary>
internal static class RegistrationBody
{
    /// <summary>A process is silent for so many intervals before Consul takes it for dead.</summary>
    private const int SilentIntervals = 3;

    /// <summary>An instance in the state <c>warning</c> takes this part of its traffic.</summary>
    private const int WarningPart = 10;

    /// <summary>The id of an instance's check: unique on the node as the instance's own.</summary>
    public static string CheckId(ServiceInstance instance) => $"service:{instance.Id}";

    /// <exception cref="ConsulException">Something does not fit into Consul's limits.</exception>
    public static byte[] Create(ServiceInstance instance, ConsulOptions options)
    {
        var endpoint = instance.Endpoint;
        var body = new AgentRegistration
        {
            Id = instance.Id,
            Name = instance.Service.Name,
            Address = Host(endpoint.Address),
            Port = endpoint.Address.Port,
            Tags = options.Tags.Count > 0 ? [.. options.Tags] : null,
            Meta = ConsulMeta.Write(instance.Service, endpoint),
            Weights = new AgentWeights(Math.Max(1, endpoint.Weight), Math.Max(1, endpoint.Weight / WarningPart)),
            Check = CreateCheck(instance, options.Check),

            // So that sidecars of others find it.
            Connect = options.UsesConnect && endpoint.SpeaksMtls ? new AgentConnect(Native: true) : null,
        };
        return JsonSerializer.SerializeToUtf8Bytes(body, ConsulJson.Default.AgentRegistration);
    }

    /// <summary>An agent has no certificate of the mesh, so where only those count the process reports itself.</summary>
    public static ConsulCheckType CheckType(ServiceInstance instance, ConsulCheckOptions options) =>
        instance.RefusesPlaintext && options.Type is (ConsulCheckType.Http or ConsulCheckType.Grpc)
            ? ConsulCheckType.Ttl
            : options.Type;

    private static AgentCheck? CreateCheck(ServiceInstance instance, ConsulCheckOptions options)
    {
        var address = instance.Endpoint.Address;
        var isTls = address.Scheme == Uri.UriSchemeHttps;
        var interval = Duration(options.Interval);
        var timeout = Duration(options.Timeout < options.Interval ? options.Timeout : options.Interval);
        var id = CheckId(instance);
        var forget = Duration(options.DeregisterCriticalServiceAfter);
        return CheckType(instance, options) switch
        {
            ConsulCheckType.Http => new AgentCheck
            {
                CheckId = id,
                Name = $"GET {options.Path}",
                Http = address.GetLeftPart(UriPartial.Authority) + options.Path,

                // The certificate is for callers in the mesh; the agent asks only whether the process is there.
                TlsSkipVerify = isTls ? true : null,
                Interval = interval,
                Timeout = timeout,
                Status = "passing",
                DeregisterCriticalServiceAfter = forget,
            },
            ConsulCheckType.Grpc => new AgentCheck
            {
                CheckId = id,
                Name = "gRPC health",
                Grpc = string.Create(CultureInfo.InvariantCulture, $"{address.Host}:{address.Port}"),
                GrpcUseTls = isTls ? true : null,
                TlsSkipVerify = isTls ? true : null,
                Interval = interval,
                Timeout = timeout,
                Status = "passing",
                DeregisterCriticalServiceAfter = forget,
            },
            ConsulCheckType.Ttl => new AgentCheck
            {
                CheckId = id,
                Name = "The process reports",
                Ttl = Duration(options.Interval * SilentIntervals),
                Status = "passing",
                DeregisterCriticalServiceAfter = forget,
            },
            _ => null,
        };
    }

    /// <summary>An IPv6 address without its brackets.</summary>
    private static string Host(Uri address) =>
        address.HostNameType == UriHostNameType.IPv6 ? address.DnsSafeHost : address.IdnHost;

    private static string Duration(TimeSpan duration) =>
        string.Create(CultureInfo.InvariantCulture, $"{Math.Max(1, (long)Math.Ceiling(duration.TotalMilliseconds))}ms");
}
