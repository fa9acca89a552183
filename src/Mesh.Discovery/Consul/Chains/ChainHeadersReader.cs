using Mesh.Discovery.Rules;
using Mesh.Discovery.Rules.Reading;

namespace Mesh.Discovery.Consul.Chains;

/// <summary>Reads header operations; of several, the later ones come on top.</summary>
internal static class ChainHeadersReader
{
    /// <summary>Null if there are none.</summary>
    /// <exception cref="ConsulRuleException">A name or value is none.</exception>
    public static HeadersConfig? Read(string path, IReadOnlyList<(ChainHeaders? Request, ChainHeaders? Response)> layers)
    {
        var request = Merge(path + ".RequestHeaders", layers.Select(static layer => layer.Request));
        var response = Merge(path + ".ResponseHeaders", layers.Select(static layer => layer.Response));
        return ReferenceEquals(request, HeaderOperationsConfig.None) && ReferenceEquals(response, HeaderOperationsConfig.None)
            ? null
            : new HeadersConfig(request, response);
    }

    private static HeaderOperationsConfig Merge(string path, IEnumerable<ChainHeaders?> layers)
    {
        var set = new List<KeyValuePair<string, string>>();
        var add = new List<KeyValuePair<string, string>>();
        var remove = new List<string>();
        foreach (var layer in layers)
        {
            AddPairs(layer?.Set, set, path + ".Set");
            AddPairs(layer?.Add, add, path + ".Add");
            remove.AddRange((layer?.Remove ?? []).Select(name => Name(name, path + ".Remove")));
        }

        return set.Count == 0 && add.Count == 0 && remove.Count == 0
            ? HeaderOperationsConfig.None
            : new HeaderOperationsConfig { Set = set, Add = add, Remove = remove };
    }

    private static void AddPairs(IReadOnlyDictionary<string, string?>? pairs, List<KeyValuePair<string, string>> to, string path)
    {
        foreach (var (name, value) in pairs ?? new Dictionary<string, string?>())
        {
            to.Add(new(Name(name, path), HostText.IsHeaderValue(value ?? "")
                ? value ?? ""
                : throw new ConsulRuleException(path, $"the value of '{name}' is not allowed; allowed are visible ASCII characters, spaces and tabs")));
        }
    }

    private static string Name(string? name, string path) => HostText.IsToken(name ?? "")
        ? name!
        : throw new ConsulRuleException(path, $"{RuleText.Quote(name ?? "")} is not a header name");
}
