using Mesh.Discovery.Istio;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Rules.Reading;

namespace Mesh.Discovery.Consul;

/// <summary>
/// Makes rules of the keys below the prefix. A key holds one or more documents, each either Istio's (<c>apiVersion</c>,
/// <c>kind</c>) or <c>Routes</c>, <c>Destinations</c>, <c>Authorization</c> and
/// <c>RequestAuthentication</c> as in the section <c>Mesh</c>, in YAML or JSON.
/// </summary>
/// <remarks>A key that did not change keeps its rules, the very objects. Not safe for concurrent use.</remarks>
internal sealed class ConsulRuleDocuments(MeshOptions options)
{
    private const string Wanted = "an Istio document with apiVersion and kind, or a map with Routes, Destinations, Authorization or RequestAuthentication";

    /// <summary>What a process says of itself, which nobody can say for all.</summary>
    private static readonly string[] s_ownKeys =
    [
        "Service", "Namespace", "Labels", "Locality", "Weight", "Advertise", "Discovery", "Config", "Outbound", "Inbound", "Security", "Drain",
        "Admin", "Services",
    ];

    private Dictionary<string, KeyContent> _keys = new(StringComparer.Ordinal);
    private RuleBatch? _batch;

    /// <summary>How issues name a key.</summary>
    public static string Origin(string key) => $"consul kv {RuleText.Cut(key, 300)}";

    /// <summary>Reads what changed.</summary>
    /// <param name="entries">All keys below the prefix. Folders and empty values are passed over.</param>
    /// <returns>All rules; the same object as before if nothing is different.</returns>
    public RuleBatch Update(IReadOnlyList<KeyValueEntry> entries)
    {
        var keys = new Dictionary<string, KeyContent>(StringComparer.Ordinal);
        foreach (var entry in entries)
        {
            if (entry.Key.EndsWith('/') || entry.Value is not { Length: > 0 } value)
            {
                continue;
            }

            // By the bytes and not by the index, which an agent that starts anew begins to count again.
            var known = _keys.GetValueOrDefault(entry.Key);
            if (known is null || !known.Value.AsSpan().SequenceEqual(value))
            {
                var content = known?.Content ?? Create(entry.Key);
                content.Read(value);
                known = new KeyContent(value, content);
            }

            keys[entry.Key] = known;
        }

        _keys = keys;
        var batch = RuleCollector.Collect(
            keys.OrderBy(static pair => pair.Key, StringComparer.Ordinal)
                .Select(static pair => (pair.Value.Content.Rules, pair.Value.Content.Issues)),
            _batch);
        return _batch = _batch is not null && RuleCollector.IsSame(batch, _batch) ? _batch : batch;
    }

    private RuleContent Create(string key) => new(
        Origin(key), options.Config.MaxFileSize, document => Read(document, options.Namespace, options.Config.Strict));

    private static IReadOnlyList<RuleDocument> Read(YamlDocument document, string @namespace, bool strict) =>
        document.Root is MapNode map && (map.Find("apiVersion") is not null || map.Find("kind") is not null)
            ? IstioDocumentReader.Read(document, @namespace, strict)
            : ReadSection(document, @namespace, strict);

    private static List<RuleDocument> ReadSection(YamlDocument document, string @namespace, bool strict)
    {
        var reading = new RuleReading(RuleDialect.Configuration, @namespace, strict);
        var result = new List<RuleDocument>();
        var root = new RuleValue(reading, SectionTree.Create(document.Root, reading), "");
        if (root.Node is not MapNode)
        {
            root.Refuse("is no rule", Wanted);
        }
        else
        {
            ReadRoot(root.Object()!, strict, result);
        }

        // Of a key that is there twice nobody knows which was meant.
        IReadOnlyList<RuleIssue> issues = [.. document.Issues, .. reading.Issues];
        if (document.Issues.Count > 0 || reading.HasErrors)
        {
            result = [.. result.Select(static one => one with { Rule = null })];
        }

        if (issues.Count > 0)
        {
            result.Add(new RuleDocument(null, issues));
        }

        return result;
    }

    private static void ReadRoot(ObjectReader root, bool strict, List<RuleDocument> result)
    {
        if (root.Node.Find(MeshOptions.SectionName) is null)
        {
            ReadHosts(root, strict, result);
            return;
        }

        var mesh = root.Object(MeshOptions.SectionName);
        root.Done();
        if (mesh is not null)
        {
            ReadHosts(mesh, strict, result);
        }
    }

    private static void ReadHosts(ObjectReader mesh, bool strict, List<RuleDocument> result)
    {
        foreach (var section in (string[])[SectionReader.Routes, SectionReader.Destinations])
        {
            foreach (var (host, value) in mesh.Entries(section))
            {
                result.Add(SectionReader.Read(section, host, value, strict));
            }
        }

        foreach (var policy in mesh.Items(SectionReader.Authorization))
        {
            result.Add(AuthorizationReader.ReadSection(policy, strict));
        }

        foreach (var value in mesh.Items(RequestAuthenticationReader.Section))
        {
            result.Add(RequestAuthenticationReader.Read(value, strict));
        }

        foreach (var entry in mesh.Node.Entries)
        {
            if (s_ownKeys.FirstOrDefault(key => key.Equals(entry.Key, StringComparison.OrdinalIgnoreCase)) is { } own)
            {
                mesh.Ignore(own);
                var path = mesh.Reading.Join(mesh.Path, entry.Key);
                mesh.Reading.Error(
                    new SourceLocation(entry.Value.Origin, path, entry.Line),
                    $"each process says '{own}' of itself, in its own configuration; allowed here: Routes, Destinations, Authorization, RequestAuthentication");
            }
        }

        mesh.Done();
    }

    private sealed record KeyContent(byte[] Value, RuleContent Content);
}
