using System.Text;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Rules.Reading;
using Microsoft.Extensions.Configuration;

namespace Mesh.Discovery.Configuration;

/// <summary>
/// The rules of the section <c>Mesh</c>: <c>Routes</c> and <c>Destinations</c>, by host, and lists of what is about requests served. Read again whenever the
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
        foreach (var section in (string[])[SectionReader.Routes, SectionReader.Destinations])
        {
            var node = Section(section);
            foreach (var (host, value) in node.Entries())
            {
                Take(value, (part, strict) => SectionReader.Read(section, host, part, strict));
            }

            issues.AddRange(node.Reading.Issues);
        }

        TakeItems(SectionReader.Authorization, AuthorizationReader.ReadSection);
        TakeItems(RequestAuthenticationReader.Section, RequestAuthenticationReader.Read);
        foreach (var gone in _entries.Keys.Except(present, StringComparer.OrdinalIgnoreCase).ToList())
        {
            _entries.Remove(gone);
        }

        return new RuleBatch(rules, issues);

        RuleValue Section(string section)
        {
            var reading = new RuleReading(RuleDialect.Configuration, options.Namespace, options.Config.Strict);
            return tree.Read(reading.Join(MeshOptions.SectionName, reading.Show(section)), reading);
        }

        void TakeItems(string section, Func<RuleValue, bool, RuleDocument> read)
        {
            var node = Section(section);
            foreach (var value in node.Items())
            {
                Take(value, read);
            }

            issues.AddRange(node.Reading.Issues);
        }

        void Take(RuleValue value, Func<RuleValue, bool, RuleDocument> read)
        {
            present.Add(value.Path);
            var document = Read(value, read);
            issues.AddRange(document.Issues);
            if (document.Rule is not null)
            {
                rules.Add(document.Rule);
            }
        }
    }

    /// <summary>What was read before, the very objects, if the node is the same.</summary>
    private RuleDocument Read(RuleValue value, Func<RuleValue, bool, RuleDocument> read)
    {
        var fingerprint = Fingerprint(value.Node);
        if (_entries.TryGetValue(value.Path, out var known) && known.Fingerprint == fingerprint)
        {
            return known.Document;
        }

        var document = read(value, options.Config.Strict);
        _entries[value.Path] = new Entry(fingerprint, document);
        return document;
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

    private sealed record Entry(string Fingerprint, RuleDocument Document);
}
