using Mesh.Discovery.Consul;
using Mesh.Discovery.Consul.Filters;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Tests.Routing;

namespace Mesh.Discovery.Tests.Runtime;

public sealed class ConsulSubsetTests
{
    private readonly ServiceState _service = new(new ServiceName("reviews", "prod"), static _ => 1, RetryPolicy.Default(2), Resilience.ResilienceFixture.NewContext());

    [Theory]
    [InlineData("Service.Tags contains a", false, null, "1 2")]
    [InlineData("Service.Tags contains a", true, null, "1")]
    [InlineData(null, true, null, "1 3")]
    [InlineData("Service.Tags contains a", false, "v2", "2")]
    [InlineData("Service.Tags contains c", false, null, "")]
    public void View_Subset_LabelsAndFilterAndChecksSelect(string? filter, bool onlyPassing, string? version, string expected)
    {
        _service.SetEndpoints("consul", [Instance(1, "v1", false, "a"), Instance(2, "v2", true, "a"), Instance(3, "v2", false, "b")]);
        var rule = Rule.Destination("reviews", "s");
        var subset = rule.Subsets[0] with
        {
            Labels = version is null ? Labels.Empty : new Labels([new("version", version)]),
            Filter = filter is null ? null : FilterExpression.Parse(filter),
            OnlyPassing = onlyPassing,
        };

        _service.SetPolicy(rule with { Subsets = [subset] }, isPassThrough: false);

        var view = _service.GetDestination(new DestinationKey(_service.Name, "s")).View;
        Assert.Equal(expected, string.Join(' ', view.Endpoints.Select(static e => e.Id.Replace("10.0.0.", "", StringComparison.Ordinal))));
    }

    private static Endpoint Instance(int n, string version, bool isWarning, params string[] tags) => new()
    {
        Address = new Uri($"http://10.0.0.{n}:80"),
        Labels = new Labels([new("version", version)]),
        Consul = new ConsulInstance
        {
            Id = $"reviews-{n}",
            Service = "reviews",
            Tags = tags,
            IsWarning = isWarning,
            Node = new ConsulNode("n", "id", "10.0.0.9", "dc1", Labels.Empty),
        },
    };
}
