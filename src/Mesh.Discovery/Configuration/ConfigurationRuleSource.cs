using System.Text;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Rules.Reading;
using Microsoft.Extensions.Configuration;

namespace Mesh.Discovery.Configuration;

/// <summary>
/// The rules of the section <c>Mesh</c>: <c>Routes</c> and <c>Destinations</c>, by host. Read again whenever the
/// configuration reloads. A host with errors is not in the batch; its last good rule is the runtime's to keep.
/// </summary>
internal sealed class ConfigurationRuleSource(IConfiguration configuration, MeshOptions options) : IRuleSource
{
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.OrdinalIgnoreCase);

    public string Name => "configuration";

    public int Precedence => 0;

    public async Task WatchAsync(Action<RuleBatch> publish, CancellationToken stop)
    {
        RuleBatch? published = null;
        while (true)
        {
            // Taken before reading, so that no change falls between the two.
            var reload = configuration.GetReloadToken();
            var batch = Read();
            if (published is null || !batch.Rules.SequenceEqual(published.Rules, ReferenceEqualityComparer.Instance)
                || !batch.Issues.SequenceEqual(published.Issues))
            {
                publish(batch);
                published = batch;
            }

            if (!await reload.ChangedAsync(stop).ConfigureAwait(false))
            {
                return;
            }
        }
    }

    private RuleBatch Read()
    {
        var tree = new ConfigurationTree(configuration);
        var rules = new List<RuleConfig>();
        var issues = new List<RuleIssue>();
        var present = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        ReadSection(tree, "Routes", ReadRoutes);
        ReadSection(tree, "Destinations", ReadDestination);
        foreach (var gone in _entries.Keys.Except(present, StringComparer.OrdinalIgnoreCase).ToList())
        {
            _entries.Remove(gone);
        }

        return new RuleBatch(rules, issues);

        void ReadSection(ConfigurationTree from, string name, Func<string, RuleValue, RuleConfig?> read)
        {
            var path = $"{MeshOptions.SectionName}:{name}";
            var reading = new RuleReading(RuleDialect.Configuration, options.Namespace, options.Config.Strict);
            foreach (var (host, value) in from.Read(path, reading).Entries())
            {
                present.Add(value.Path);
                var entry = ReadEntry(host, value, read);
                issues.AddRange(entry.Issues);
                if (entry.Rule is not null)
                {
                    rules.Add(entry.Rule);
                }
            }

            issues.AddRange(reading.Issues);
        }
    }

    private Entry ReadEntry(string host, RuleValue value, Func<string, RuleValue, RuleConfig?> read)
    {
        var fingerprint = Fingerprint(value.Node);
        var known = _entries.GetValueOrDefault(value.Path);
        if (known is not null && known.Fingerprint == fingerprint)
        {
            return known;
        }

        var reading = new RuleReading(RuleDialect.Configuration, options.Namespace, options.Config.Strict, value.Path);
        value = value with { Reading = reading };
        if (!HostText.IsHost(host, wildcard: true))
        {
            value.Error($"{RuleText.Quote(host)} is not a host; allowed: {HostText.Allowed}");
        }

        var rule = read(host, value);
        var entry = new Entry(fingerprint, reading.HasErrors ? null : rule, reading.Issues);
        _entries[value.Path] = entry;
        return entry;
    }

    private VirtualServiceConfig? ReadRoutes(string host, RuleValue value)
    {
        var routes = new List<RouteConfig>();
        foreach (var item in value.Items())
        {
            if (item.Object() is { } route && RouteReader.Read(route, host) is { } read)
            {
                routes.Add(read);
            }
        }

        return routes.Count == 0 ? null : new VirtualServiceConfig
        {
            Name = host,
            Namespace = options.Namespace,
            Location = value.Location,
            Hosts = [host],
            Http = routes,
        };
    }

    private DestinationRuleConfig? ReadDestination(string host, RuleValue value)
    {
        if (value.Object() is not { } destination)
        {
            return null;
        }

        var result = new DestinationRuleConfig
        {
            Name = host,
            Namespace = options.Namespace,
            Location = value.Location,
            Host = host,
            TrafficPolicy = DestinationReader.Policy(destination),
            Subsets = DestinationReader.Subsets(destination),
        };
        destination.Done();
        return result;
    }

    /// <summary>Everything that the reading of a node depends on, as one text.</summary>
    private static string Fingerprint(RuleNode node)
    {
        var text = new StringBuilder();
        Append(node);
        return text.ToString();

        void Append(RuleNode current)
        {
            text.Append(current.Origin).Append('\0');
            switch (current)
            {
                case MapNode map:
                    text.Append('{').Append(map.StrayText).Append('\0');
                    foreach (var entry in map.Entries)
                    {
                        text.Append(entry.Key).Append('\0');
                        Append(entry.Value);
                    }

                    text.Append('}');
                    break;
                case ScalarNode { Text: { } value }:
                    text.Append('=').Append(value).Append('\0');
                    break;
            }
        }
    }

    private sealed record Entry(string Fingerprint, RuleConfig? Rule, IReadOnlyList<RuleIssue> Issues);
}
