using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Tests.Routing;

public class ServiceEntryHostTests
{
    [Fact]
    public void Create_StaticWithSeveralPorts_OneEndpointForEachAddressAndPort()
    {
        var host = Create(Rule.Entry("api", ServiceResolution.Static, "api.example.com") with
        {
            Ports = [Rule.Port(80), Rule.Port(443, "https", target: 8443)],
            Endpoints =
            [
                Rule.Workload("10.0.0.1"),
                Rule.Workload("2001:db8::1") with { Ports = new Dictionary<string, int> { ["https"] = 9443 }, Weight = 3 },
            ],
        });

        Assert.Equal(
            ["http://10.0.0.1/ 80", "http://10.0.0.1:8443/ 443", "http://[2001:db8::1]/ 80", "http://[2001:db8::1]:9443/ 443"],
            host.Endpoints.Select(static endpoint => $"{endpoint.Address} {endpoint.ServicePort}"));
        Assert.Equal([1, 1, 3, 3], host.Endpoints.Select(static endpoint => endpoint.Weight));
        Assert.False(host.IsPassThrough);
    }

    [Fact]
    public void Create_OnePort_AnswersForAllPorts()
    {
        var endpoint = Assert.Single(Create(Rule.Entry("api", ServiceResolution.Dns, "api.example.com") with { Ports = [Rule.Port(8080)] }).Endpoints);

        Assert.Equal("http://api.example.com:8080/", endpoint.Address.AbsoluteUri);
        Assert.Null(endpoint.ServicePort);
    }

    [Theory]
    [InlineData(ServiceResolution.None, "api.example.com", true)]
    [InlineData(ServiceResolution.Dns, "*.example.com", true)]
    [InlineData(ServiceResolution.Dns, "api.example.com", false)]
    internal void Create_WithoutEndpoints_PassesThroughWhereTheHostIsNoAddress(ServiceResolution resolution, string host, bool expected) =>
        Assert.Equal(expected, Create(Rule.Entry("api", resolution, host)).IsPassThrough);

    [Fact]
    public void Create_FullForm_IsTheService() =>
        Assert.Equal(new ServiceName("reviews", "prod"), Create(Rule.Entry("r", ServiceResolution.None, "reviews.prod.svc.cluster.local")).Name);

    [Theory]
    [InlineData(ServiceResolution.Static, "api.internal", "'api.internal' is not an IP address, which resolution STATIC needs")]
    [InlineData(ServiceResolution.Dns, "host/path", "'host/path' with port 80 is not a host name")]
    [InlineData(ServiceResolution.Dns, "user@host", "'user@host' with port 80 is not a host name")]
    [InlineData(ServiceResolution.Dns, "unix:///var/run", "'unix:///var/run' with port 80 is not a host name")]
    [InlineData(ServiceResolution.Dns, "", "'' with port 80 is not a host name")]
    internal void Create_BadAddress_ErrorAtTheEndpoint(ServiceResolution resolution, string address, string reason)
    {
        var issues = new IssueList();

        ServiceEntryHost.Create("h.example.com",
            Rule.Entry("api", resolution, "h.example.com") with { Endpoints = [Rule.Workload(address)] }, issues);

        var issue = Assert.Single(issues.Issues);
        Assert.Equal($"endpoint {address}", issue.Location.Path);
        Assert.Contains(reason, issue.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Create_StaticWithoutEndpoints_Error()
    {
        var issues = new IssueList();

        ServiceEntryHost.Create("h.example.com", Rule.Entry("api", ServiceResolution.Static, "h.example.com"), issues);

        Assert.Contains("STATIC needs endpoints", Assert.Single(issues.Issues).Message, StringComparison.Ordinal);
    }

    private static ServiceEntryHost Create(ServiceEntryConfig entry)
    {
        var issues = new IssueList();
        var host = ServiceEntryHost.Create(entry.Hosts[0], entry, issues);
        Assert.Empty(issues.Issues);
        return host;
    }
}
