using System.Net;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Routing;

/// <summary>One host of a ServiceEntry with the endpoints that it gives the host.</summary>
/// <param name="Name">The host.</param>
/// <param name="Endpoints">One for each address and port.</param>
/// <param name="IsPassThrough">Whether calls go to the address that was dialled (resolution NONE).</param>
internal sealed record ServiceEntryHost(ServiceName Name, IReadOnlyList<Endpoint> Endpoints, bool IsPassThrough)
{
    /// <summary>By this label Istio says that an endpoint speaks mTLS.</summary>
    private const string TlsModeLabel = "security.istio.io/tlsMode";

    /// <summary>Who may answer over TLS, where no destination rule says so.</summary>
    public IReadOnlyList<string> SubjectAltNames { get; init; } = [];

    public static ServiceEntryHost Create(string host, ServiceEntryConfig entry, IssueList issues)
    {
        var name = ServiceName.Literal(host);
        if (entry.Resolution == ServiceResolution.None || (host.StartsWith('*') && entry.Endpoints.Count == 0))
        {
            return new ServiceEntryHost(name, [], IsPassThrough: true) { SubjectAltNames = entry.SubjectAltNames };
        }

        var workloads = entry.Endpoints;
        if (workloads.Count == 0)
        {
            if (entry.Resolution == ServiceResolution.Static)
            {
                issues.Error(entry.Location, "resolution STATIC needs endpoints");
                return new ServiceEntryHost(name, [], IsPassThrough: false);
            }

            workloads = [new WorkloadEntryConfig { Location = entry.Location, Address = host }];
        }

        IReadOnlyList<ServicePortConfig> ports = entry.Ports.Count > 0
            ? entry.Ports
            : [new ServicePortConfig(80, "http", "HTTP", null, entry.Location)];
        var endpoints = new List<Endpoint>();
        foreach (var workload in workloads)
        {
            foreach (var port in ports)
            {
                if (CreateEndpoint(entry, workload, port, ports.Count, issues) is { } endpoint)
                {
                    endpoints.Add(endpoint);
                }
            }
        }

        return new ServiceEntryHost(name, endpoints, IsPassThrough: false) { SubjectAltNames = entry.SubjectAltNames };
    }

    private static Endpoint? CreateEndpoint(
        ServiceEntryConfig entry, WorkloadEntryConfig workload, ServicePortConfig port, int ports, IssueList issues)
    {
        if (entry.Resolution == ServiceResolution.Static && !IPAddress.TryParse(workload.Address, out _))
        {
            issues.Error(workload.Location, $"address '{workload.Address}' is not an IP address, which resolution STATIC needs; use resolution DNS");
            return null;
        }

        var number = workload.Ports.TryGetValue(port.Name, out var own) ? own : port.TargetPort ?? port.Number;
        var host = workload.Address.Contains(':') ? $"[{workload.Address.Trim('[', ']')}]" : workload.Address;
        if (Uri.CheckHostName(host) == UriHostNameType.Unknown
            || !Uri.TryCreate($"http://{host}:{number}", UriKind.Absolute, out var address))
        {
            issues.Error(workload.Location, $"address '{workload.Address}' with port {number} is not a host name or IP address with a port of 0 to 65535");
            return null;
        }

        return new Endpoint
        {
            Address = address,
            Labels = workload.Labels,
            Weight = workload.Weight,
            Locality = workload.Locality,
            ServicePort = ports > 1 ? port.Number : null,
            SpeaksMtls = workload.Labels.TryGetValue(TlsModeLabel, out var tls) && tls == "istio",
        };
    }
}
