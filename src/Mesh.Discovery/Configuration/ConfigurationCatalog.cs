using Mesh.Discovery.Catalogs;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Rules.Reading;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Configuration;

/// <summary>
/// Endpoints written into the configuration: <c>Mesh:Services</c>. Read again whenever the configuration reloads; a
/// service with errors keeps its last good endpoints.
/// </summary>
internal sealed partial class ConfigurationCatalog(
    IConfiguration configuration, MeshOptions options, ILogger<ConfigurationCatalog> logger) : IEndpointCatalog
{
    public const string CatalogName = "Configuration";

    private static readonly string s_path = $"{MeshOptions.SectionName}:Services";

    public string Name => CatalogName;

    public async Task WatchAsync(ICatalogObserver observer, CancellationToken stop)
    {
        var known = new Dictionary<ServiceName, IReadOnlyList<Endpoint>>();
        var isFirst = true;
        while (true)
        {
            // Taken before reading, so that no change falls between the two.
            var reload = configuration.GetReloadToken();
            var (services, issues) = Parse(configuration, options);
            foreach (var issue in issues)
            {
                LogIssue(issue.Severity == IssueSeverity.Error ? LogLevel.Error : LogLevel.Warning, issue);
            }

            Report(observer, known, services);
            if (isFirst)
            {
                observer.Synced();
                isFirst = false;
            }

            if (!await reload.ChangedAsync(stop).ConfigureAwait(false))
            {
                return;
            }
        }
    }

    /// <summary>Reads <c>Mesh:Services</c>.</summary>
    /// <param name="configuration">The whole configuration.</param>
    /// <param name="options">For the namespace of short names.</param>
    /// <returns>Each service with its endpoints, <see langword="null"/> if it has errors; and what was found.</returns>
    internal static (IReadOnlyDictionary<ServiceName, IReadOnlyList<Endpoint>?> Services, IReadOnlyList<RuleIssue> Issues)
        Parse(IConfiguration configuration, MeshOptions options)
    {
        var services = new Dictionary<ServiceName, IReadOnlyList<Endpoint>?>();
        var issues = new List<RuleIssue>();
        var paths = new Dictionary<ServiceName, string>();
        var section = new RuleReading(RuleDialect.Configuration, options.Namespace, options.Config.Strict);
        var tree = new ConfigurationTree(configuration).Read(s_path, out var tooDeep);
        if (tooDeep is not null)
        {
            section.Error(new SourceLocation(tree.Origin, tooDeep), $"nesting is deeper than {YamlFile.MaxDepth} levels");
        }

        foreach (var (key, value) in new RuleValue(section, tree, s_path).Entries())
        {
            var reading = new RuleReading(RuleDialect.Configuration, options.Namespace, options.Config.Strict);
            var service = value with { Reading = reading };
            if (!HostText.IsHost(key, wildcard: false))
            {
                service.Error($"{RuleText.Quote(key)} is not a service; allowed: {HostText.Allowed}");
                issues.AddRange(reading.Issues);
                continue;
            }

            var name = ServiceName.Resolve(key, options.Namespace);
            if (!paths.TryAdd(name, value.Path))
            {
                service.Error($"names the same service as {paths[name]}; list all of its endpoints in one place");
                issues.AddRange(reading.Issues);
                continue;
            }

            var endpoints = Endpoints(service);
            services[name] = reading.HasErrors ? null : endpoints;
            issues.AddRange(reading.Issues);
        }

        issues.AddRange(section.Issues);
        return (services, issues);
    }

    private static List<Endpoint> Endpoints(RuleValue value)
    {
        var result = new List<Endpoint>();
        if (value.Object() is not { } service)
        {
            return result;
        }

        var addresses = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var item in service.Objects("endpoints"))
        {
            var address = item.Require("address");
            var uri = address is { } written ? AddressText.Read(written) : null;
            var endpoint = new Endpoint
            {
                Address = uri ?? s_unknown,
                Labels = item.Labels("labels"),
                Weight = item.Int("weight", 0, ServiceEntryReader.MaxWeight) ?? 1,
                Locality = LocalityReader.Read(item.Object("locality")),
            };
            item.Done();
            if (uri is null)
            {
                continue;
            }

            if (!addresses.TryAdd(uri.GetLeftPart(UriPartial.Authority), item.Path))
            {
                address!.Value.Error(
                    $"{RuleText.Quote(uri.GetLeftPart(UriPartial.Authority))} is already an endpoint of this service at "
                    + addresses[uri.GetLeftPart(UriPartial.Authority)]);
                continue;
            }

            result.Add(endpoint);
        }

        service.Done();
        return result;
    }

    private static readonly Uri s_unknown = new("http://unknown.invalid");

    private static void Report(
        ICatalogObserver observer,
        Dictionary<ServiceName, IReadOnlyList<Endpoint>> known,
        IReadOnlyDictionary<ServiceName, IReadOnlyList<Endpoint>?> services)
    {
        foreach (var (service, endpoints) in services)
        {
            if (endpoints is not null && (!known.TryGetValue(service, out var before) || !before.SequenceEqual(endpoints)))
            {
                known[service] = endpoints;
                observer.ServiceChanged(service, endpoints);
            }
        }

        foreach (var gone in known.Keys.Except(services.Keys).ToList())
        {
            known.Remove(gone);
            observer.ServiceChanged(gone, []);
        }
    }

    [LoggerMessage(Message = "{Issue}", EventName = "ConfiguredServiceRefused")]
    private partial void LogIssue(LogLevel level, RuleIssue issue);
}
