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
    private static readonly Uri s_unknown = new("http://unknown.invalid");

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
    internal static ConfiguredServices Parse(IConfiguration configuration, MeshOptions options)
    {
        var services = new Dictionary<ServiceName, IReadOnlyList<Endpoint>?>();
        var issues = new List<RuleIssue>();
        var paths = new Dictionary<ServiceName, string>();
        var section = new RuleReading(RuleDialect.Configuration, options.Namespace, options.Config.Strict);
        foreach (var (key, value) in new ConfigurationTree(configuration).Read(s_path, section).Entries())
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
        return new ConfiguredServices(services, issues);
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
                SpeaksMtls = item.Bool("speaksMtls") ?? false,
            };
            item.Done();
            if (uri is null)
            {
                continue;
            }

            var place = uri.GetLeftPart(UriPartial.Authority);
            if (!addresses.TryAdd(place, item.Path))
            {
                address!.Value.Error(
                    $"{RuleText.Quote(uri.OriginalString)} is already an endpoint of this service at {addresses[place]}");
                continue;
            }

            result.Add(endpoint);
        }

        service.Done();
        return result;
    }

    private static void Report(
        ICatalogObserver observer,
        Dictionary<ServiceName, IReadOnlyList<Endpoint>> known,
        IReadOnlyDictionary<ServiceName, IReadOnlyList<Endpoint>?> services)
    {
        foreach (var (service, endpoints) in services)
        {
            if (endpoints is not null && !(known.TryGetValue(service, out var old) && old.SequenceEqual(endpoints)))
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

/// <summary>What <c>Mesh:Services</c> holds.</summary>
/// <param name="Services">Each service with its endpoints, <see langword="null"/> if it has errors.</param>
/// <param name="Issues">What was found.</param>
internal sealed record ConfiguredServices(
    IReadOnlyDictionary<ServiceName, IReadOnlyList<Endpoint>?> Services, IReadOnlyList<RuleIssue> Issues);
