using Mesh.Discovery.Rules;
using static Mesh.Discovery.Tests.Rules.Reading.Reader;

namespace Mesh.Discovery.Tests.Istio;

public sealed class ServiceEntryTests
{
    [Fact]
    public void Read_EveryField_IsRead()
    {
        var entry = One<ServiceEntryConfig>(Entry("""
            hosts: [ api.example.com, "*.example.org" ]
            location: MESH_EXTERNAL
            resolution: STATIC
            ports:
            - { number: 443, name: https, protocol: TLS }
            - { number: 80, name: http, protocol: http, targetPort: 8080 }
            - { number: 90, name: grpc-web }
            - { number: 91, name: other }
            endpoints:
            - { address: 10.1.2.3, ports: { https: 8443 }, labels: { version: v1 }, weight: 3, locality: eu/eu-1/rack }
            - { address: "::1", locality: eu }
            """));

        Assert.Equal(["api.example.com", "*.example.org"], entry.Hosts);
        Assert.Equal(ServiceResolution.Static, entry.Resolution);
        Assert.Equal(
            [(443, "https", "TLS", null), (80, "http", "HTTP", 8080), (90, "grpc-web", "GRPC", null), (91, "other", "HTTP", (int?)null)],
            entry.Ports.Select(static port => (port.Number, port.Name, port.Protocol, port.TargetPort)));
        var endpoint = entry.Endpoints[0];
        Assert.Equal(("10.1.2.3", 8443, "v1", 3), (
            endpoint.Address, endpoint.Ports["https"], endpoint.Labels["version"], endpoint.Weight));
        Assert.Equal(new Locality("eu", "eu-1", "rack"), endpoint.Locality);
        Assert.Equal(("::1", new Locality("eu"), 1), (
            entry.Endpoints[1].Address, entry.Endpoints[1].Locality, entry.Endpoints[1].Weight));
    }

    [Theory]
    [InlineData("", ServiceResolution.None)]
    [InlineData("resolution: NONE", ServiceResolution.None)]
    [InlineData("resolution: DNS", ServiceResolution.Dns)]
    [InlineData("resolution: DNS_ROUND_ROBIN", ServiceResolution.Dns)]
    public void Read_Resolution_IsRead(string field, object resolution)
    {
        Assert.Equal(resolution, One<ServiceEntryConfig>(Entry("hosts: [ a.example.com ]\n" + field)).Resolution);
    }

    [Theory]
    [InlineData("addresses: [ 10.0.0.0/8 ]", "addresses")]
    [InlineData("exportTo: [ . ]", "exportTo")]
    [InlineData("workloadSelector: { labels: { app: a } }", "workloadSelector")]
    [InlineData("resolution: DYNAMIC_DNS", "resolution")]
    [InlineData("ports: [ { number: 3306, name: db, protocol: MYSQL } ]", "ports[0].protocol")]
    [InlineData("resolution: DNS\nendpoints: [ { address: a.b, network: n } ]", "endpoints[0].network")]
    [InlineData("resolution: DNS\nendpoints: [ { address: a.b, serviceAccount: s } ]", "endpoints[0].serviceAccount")]
    [InlineData("resolution: STATIC\nendpoints: [ { address: 'unix:///run/a' } ]", "endpoints[0].address")]
    public void Read_FieldWithoutSupport_IsAWarningAndInStrictAnError(string field, string path)
    {
        var text = Entry("hosts: [ a.example.com ]\n" + field);

        One<ServiceEntryConfig>(text, out var warnings);
        Assert.Equal("spec." + path, Assert.Single(warnings).Location.Path);
        Assert.Contains("is not supported", Error(text, strict: true), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("hosts: []", "spec.hosts: is empty")]
    [InlineData("resolution: DNS", "spec: 'hosts' is missing")]
    [InlineData("hosts: [ a ]\nresolution: dns", "resolution: 'dns' is not known; did you mean 'DNS'?")]
    [InlineData("hosts: [ a ]\nlocation: OUTSIDE", "location: 'OUTSIDE' is not known (allowed: MESH_EXTERNAL, MESH_INTERNAL)")]
    [InlineData("hosts: [ a ]\nendpoints: [ { address: 1.2.3.4 } ]", "endpoints have no effect with the resolution NONE")]
    [InlineData("hosts: [ a ]\nresolution: STATIC", "the resolution STATIC wants 'endpoints'")]
    [InlineData("hosts: [ a ]\nresolution: STATIC\nendpoints: [ { address: a.b } ]", "endpoints[0].address: 'a.b' is not an IP address")]
    [InlineData("hosts: [ a ]\nresolution: DNS\nendpoints: [ { labels: { a: b } } ]", "endpoints[0]: 'address' is missing")]
    [InlineData("hosts: [ a ]\nresolution: DNS\nendpoints: [ { address: a, weight: 65536 } ]", "weight: '65536' is out of range; allowed: a whole number from 0 to 65535")]
    [InlineData("hosts: [ a ]\nresolution: DNS\nendpoints: [ { address: a, locality: a/b/c/d } ]", "locality: 'a/b/c/d' is not a locality")]
    [InlineData("hosts: [ a ]\nresolution: DNS\nports: [ { number: 80, name: http } ]\nendpoints: [ { address: a, ports: { htp: 1 } } ]", "ports.htp: 'htp' is no port of this ServiceEntry; did you mean 'http'?")]
    [InlineData("hosts: [ a ]\nports: [ { name: http } ]", "ports[0]: 'number' is missing")]
    [InlineData("hosts: [ a ]\nports: [ { number: 80 } ]", "ports[0]: 'name' is missing")]
    [InlineData("hosts: [ a ]\nports: [ { number: 80, name: a }, { number: 80, name: b } ]", "ports[1]: a port of this number or name is already defined")]
    [InlineData("hosts: [ a ]\nports: [ { number: 80, name: a, protocol: SMTP } ]", "protocol: 'SMTP' is not a protocol; allowed: HTTP")]
    public void Read_BadField_SaysPlaceValueAndWhatIsAllowed(string spec, string error)
    {
        var message = Error(Entry(spec));

        Assert.StartsWith($"{Origin}:", message, StringComparison.Ordinal);
        Assert.Contains("ServiceEntry prod/e: spec", message, StringComparison.Ordinal);
        Assert.Contains(error, message, StringComparison.Ordinal);
    }
}
