using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Tests.Routing;

/// <summary>Writes rules and requests in few words.</summary>
internal static class Rule
{
    public const string File = "mesh/test.yaml";

    public static readonly IReadOnlySet<string> Policies = new HashSet<string>(StringComparer.OrdinalIgnoreCase)
    {
        "LEAST_REQUEST", "PASSTHROUGH", "ROUND_ROBIN",
    };

    public static SourceLocation At(string path = "", string document = "", string origin = File) => new(origin, path, 0, document);

    public static StringMatchConfig Exact(string value) => new(StringMatchKind.Exact, value, At("exact"));

    public static StringMatchConfig Prefix(string value) => new(StringMatchKind.Prefix, value, At("prefix"));

    public static StringMatchConfig Regex(string value) => new(StringMatchKind.Regex, value, At("regex"));

    public static StringMatchConfig Present => new(StringMatchKind.Present, "", At("present"));

    public static NamedMatchConfig[] Named(string name, StringMatchConfig match) => [new NamedMatchConfig(name, match)];

    public static RouteMatchConfig Match() => new() { Location = At("match") };

    public static RouteDestinationConfig To(string host, string? subset = null, int? weight = null, int? port = null) => new()
    {
        Location = At($"to {host}/{subset}"),
        Host = host,
        Subset = subset,
        Weight = weight,
        Port = port,
    };

    public static RouteConfig Route(params RouteDestinationConfig[] to) => new() { Location = At("route"), Route = to };

    public static RouteConfig Route(string name, params RouteDestinationConfig[] to) => Route(to) with { Name = name };

    public static RouteConfig When(RouteMatchConfig match, params RouteDestinationConfig[] to) => Route(to) with { Match = [match] };

    public static VirtualServiceConfig Service(string name, string[] hosts, params RouteConfig[] http) => new()
    {
        Name = name,
        Namespace = "prod",
        Location = At("", $"VirtualService prod/{name}"),
        Hosts = hosts,
        Http = [.. http.Select(route => In($"VirtualService prod/{name}", File, route))],
    };

    public static DestinationRuleConfig Destination(string host, params string[] subsets) => new()
    {
        Name = host,
        Namespace = "prod",
        Location = At("", $"DestinationRule prod/{host}"),
        Host = host,
        Subsets = [.. subsets.Select(subset => new SubsetConfig
        {
            Location = At($"subset {subset}", $"DestinationRule prod/{host}"),
            Name = subset,
            Labels = new Labels([new("version", subset)]),
        })],
    };

    public static LoadBalancerConfig Balancer(string simple) => new() { Location = At("loadBalancer"), Simple = simple };

    public static ServiceEntryConfig Entry(string name, ServiceResolution resolution, params string[] hosts) => new()
    {
        Name = name,
        Namespace = "prod",
        Location = At("", $"ServiceEntry prod/{name}"),
        Hosts = hosts,
        Resolution = resolution,
    };

    public static ServicePortConfig Port(int number, string name = "http", int? target = null) => new(number, name, "HTTP", target, At("port"));

    public static WorkloadEntryConfig Workload(string address) => new() { Location = At($"endpoint {address}"), Address = address };

    /// <summary>The document as another source or file has it.</summary>
    public static VirtualServiceConfig From(this VirtualServiceConfig rule, string origin) => rule with
    {
        Location = rule.Location with { Origin = origin },
        Http = [.. rule.Http.Select(route => In(rule.Location.Document, origin, route))],
    };

    /// <summary>The document as another source or file has it.</summary>
    public static DestinationRuleConfig From(this DestinationRuleConfig rule, string origin) =>
        rule with { Location = rule.Location with { Origin = origin } };

    public static RuleCompiler Compiler(string @namespace = "prod", Labels? labels = null) =>
        new(@namespace, labels ?? Labels.Empty, Policies, retryAttempts: 2);

    public static CompiledRules Compile(params RuleConfig[] rules) => Compiler().Compile([.. rules.Select(static rule => new PlacedRule(rule, 0))]);

    public static string[] Errors(params RuleConfig[] rules) => Compile(rules).Errors();

    public static string[] Errors(this CompiledRules compiled) => compiled.Texts(IssueSeverity.Error);

    public static string[] Warnings(this CompiledRules compiled) => compiled.Texts(IssueSeverity.Warning);

    public static Route[] Routes(this CompiledRules compiled, string host) => compiled.Tables.Find(host)!.Routes;

    public static HttpRequestMessage Request(string uri = "http://reviews/", string method = "GET") => new(new HttpMethod(method), uri);

    public static HttpRequestMessage With(this HttpRequestMessage request, string header, params string[] values)
    {
        Assert.True(request.Headers.TryAddWithoutValidation(header, values));
        return request;
    }

    private static string[] Texts(this CompiledRules compiled, IssueSeverity severity) =>
        [.. compiled.Issues.Issues.Where(issue => issue.Severity == severity).Select(static issue => issue.ToString())];

    private static RouteConfig In(string document, string origin, RouteConfig route)
    {
        return route with
        {
            Location = Move(route.Location),
            Match = [.. route.Match.Select(match => match with { Location = Move(match.Location) })],
            Route = [.. route.Route.Select(arm => arm with { Location = Move(arm.Location) })],
            Delegate = route.Delegate is { } reference ? reference with { Location = Move(reference.Location) } : null,
            Rewrite = route.Rewrite is { } rewrite ? rewrite with { Location = Move(rewrite.Location) } : null,
            Retries = route.Retries is { } retries ? retries with { Location = Move(retries.Location) } : null,
        };

        SourceLocation Move(SourceLocation location) => location with { Document = document, Origin = origin };
    }
}
