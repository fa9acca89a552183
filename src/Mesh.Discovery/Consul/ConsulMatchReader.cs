using System.Text.Json;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Rules.Reading;

namespace Mesh.Discovery.Consul;

/// <summary>Reads conditions on requests.</summary>
internal static class ConsulMatchReader
{
    private const int MaxConditions = 256;

    /// <summary>One entry for each method, of which any must match; empty if everything matches.</summary>
    /// <exception cref="ConsulRuleException">A condition is not understood.</exception>
    public static IReadOnlyList<RouteMatchConfig> Read(ConsulHttpMatch? match, SourceLocation location)
    {
        if (match is null)
        {
            return [];
        }

        CheckOthers(match.Others, location.Path, "PathExact, PathPrefix, PathRegex, CaseInsensitive, Header, QueryParam, Methods");
        var headers = new List<NamedMatchConfig>();
        var without = new List<NamedMatchConfig>();
        foreach (var (header, path) in Items(match.Header, location.Path, "Header"))
        {
            ReadHeader(header, location with { Path = path }, headers, without);
        }

        var query = new List<NamedMatchConfig>();
        foreach (var (parameter, path) in Items(match.QueryParam, location.Path, "QueryParam"))
        {
            query.Add(ReadParameter(parameter, location with { Path = path }));
        }

        var methods = new List<string>();
        foreach (var (method, path) in Items(match.Methods, location.Path, "Methods"))
        {
            methods.Add(HostText.IsToken(method) ? method.ToUpperInvariant() : throw new ConsulRuleException(path, $"'{method}' is not a method"));
        }

        var uri = ReadPath(match, location);
        if (uri is null && headers.Count == 0 && without.Count == 0 && query.Count == 0 && methods.Count == 0)
        {
            return [];
        }

        var entry = new RouteMatchConfig
        {
            Location = location,
            Uri = uri,
            Headers = headers,
            WithoutHeaders = without,
            QueryParams = query,
        };
        return methods.Count == 0
            ? [entry]
            : [.. methods.Distinct().Select(method => entry with { Method = new StringMatchConfig(StringMatchKind.Exact, method, location) })];
    }

    private static StringMatchConfig? ReadPath(ConsulHttpMatch match, SourceLocation location)
    {
        (StringMatchKind Kind, string Name, string? Value)[] paths =
        [
            (StringMatchKind.Exact, "PathExact", match.PathExact),
            (StringMatchKind.Prefix, "PathPrefix", match.PathPrefix),
            (StringMatchKind.Regex, "PathRegex", match.PathRegex),
        ];
        var given = paths.Where(static path => !string.IsNullOrEmpty(path.Value)).ToList();
        return given.Count switch
        {
            0 => null,
            1 => new StringMatchConfig(given[0].Kind, given[0].Value!, location with { Path = $"{location.Path}.{given[0].Name}" })
            {
                IgnoreCase = match.CaseInsensitive && given[0].Kind != StringMatchKind.Regex,
            },
            _ => throw new ConsulRuleException(location.Path, "at most one of PathExact, PathPrefix and PathRegex is allowed"),
        };
    }

    private static void ReadHeader(
        ConsulHeaderMatch header, SourceLocation location, List<NamedMatchConfig> headers, List<NamedMatchConfig> without)
    {
        const string allowed = "Present, Exact, Prefix, Suffix, Contains, Regex";
        CheckOthers(header.Others, location.Path, $"Name, {allowed}, Invert, IgnoreCase");
        var name = CheckName(header.Name, location, isToken: true);
        var match = One(
            location, allowed,
            (StringMatchKind.Present, header.Present ? "1" : null),
            (StringMatchKind.Exact, header.Exact),
            (StringMatchKind.Prefix, header.Prefix),
            (StringMatchKind.Suffix, header.Suffix),
            (StringMatchKind.Contains, header.Contains),
            (StringMatchKind.Regex, header.Regex));
        match = match with { IgnoreCase = header.IgnoreCase && match.Kind is not (StringMatchKind.Regex or StringMatchKind.Present) };
        if (!header.Invert)
        {
            headers.Add(new NamedMatchConfig(name, match));
            return;
        }

        // As in Envoy, which Consul configures: only the inverted Present is fulfilled by a header that is not there.
        without.Add(new NamedMatchConfig(name, match));
        if (match.Kind != StringMatchKind.Present)
        {
            headers.Add(new NamedMatchConfig(name, new StringMatchConfig(StringMatchKind.Present, "", location)));
        }
    }

    private static NamedMatchConfig ReadParameter(ConsulQueryMatch parameter, SourceLocation location)
    {
        const string allowed = "Present, Exact, Regex";
        CheckOthers(parameter.Others, location.Path, $"Name, {allowed}");
        var name = CheckName(parameter.Name, location, isToken: false);
        return new NamedMatchConfig(name, One(
            location, allowed,
            (StringMatchKind.Present, parameter.Present ? "1" : null),
            (StringMatchKind.Exact, parameter.Exact),
            (StringMatchKind.Regex, parameter.Regex)));
    }

    private static StringMatchConfig One(SourceLocation location, string allowed, params ReadOnlySpan<(StringMatchKind Kind, string? Value)> given)
    {
        StringMatchConfig? found = null;
        foreach (var (kind, value) in given)
        {
            if (!string.IsNullOrEmpty(value))
            {
                found = found is null
                    ? new StringMatchConfig(kind, kind == StringMatchKind.Present ? "" : value, location)
                    : throw new ConsulRuleException(location.Path, $"exactly one of {allowed} is allowed");
            }
        }

        return found ?? throw new ConsulRuleException(location.Path, $"the condition is not supported; one of {allowed} is needed");
    }

    private static string CheckName(string? name, SourceLocation location, bool isToken) =>
        string.IsNullOrEmpty(name) || (isToken && !HostText.IsToken(name))
            ? throw new ConsulRuleException(location.Path, $"the name '{name}' is not allowed")
            : name;

    /// <summary>What is there with its zero value says nothing: Go leaves such fields out, or does not.</summary>
    public static void CheckOthers(IDictionary<string, JsonElement>? others, string path, string allowed)
    {
        foreach (var (name, value) in others ?? new Dictionary<string, JsonElement>())
        {
            var isZero = value.ValueKind switch
            {
                JsonValueKind.Null or JsonValueKind.False or JsonValueKind.Undefined => true,
                JsonValueKind.String => value.GetString()!.Length == 0,
                JsonValueKind.Array => value.GetArrayLength() == 0,
                JsonValueKind.Object => !value.EnumerateObject().Any(),
                JsonValueKind.Number => value.TryGetInt64(out var number) && number == 0,
                _ => false,
            };
            if (!isZero)
            {
                throw new ConsulRuleException($"{path}.{name}", $"the condition '{name}' is not supported; supported are {allowed}");
            }
        }
    }

    private static IEnumerable<(T Item, string Path)> Items<T>(IReadOnlyList<T?>? items, string path, string name)
        where T : class
    {
        if (items?.Count > MaxConditions)
        {
            throw new ConsulRuleException($"{path}.{name}", $"it has {items.Count} entries; at most {MaxConditions} are supported");
        }

        for (var i = 0; i < items?.Count; i++)
        {
            yield return (items[i] ?? throw new ConsulRuleException($"{path}.{name}[{i}]", "it is null"), $"{path}.{name}[{i}]");
        }
    }
}
