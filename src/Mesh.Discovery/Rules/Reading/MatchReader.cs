namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads the conditions of a route (Istio: HTTPMatchRequest).</summary>
internal static class MatchReader
{
    /// <summary>Istio's word for all sidecars, as opposed to gateways by name.</summary>
    public const string MeshGateway = "mesh";

    /// <returns>The condition, or <see langword="null"/> if it is only for gateways.</returns>
    public static RouteMatchConfig? Read(ObjectReader match)
    {
        var result = new RouteMatchConfig
        {
            Location = match.Location,
            Name = match.Text("name"),
            Uri = Required(match, "uri"),
            Scheme = Required(match, "scheme"),
            Method = Required(match, "method"),
            Authority = Required(match, "authority"),
            Headers = Named(match, "headers", header: true),
            WithoutHeaders = Named(match, "withoutHeaders", header: true),
            QueryParams = Named(match, "queryParams", header: false),
            Port = match.Port("port"),
            SourceLabels = match.Labels("sourceLabels"),
            SourceNamespace = match.Text("sourceNamespace"),
            IgnoreUriCase = match.Bool("ignoreUriCase") ?? false,
        };
        var applies = match.Reading.Dialect == RuleDialect.Configuration || AppliesToMesh(match, "this condition");
        match.NotSupported("statPrefix");
        match.Done();
        return applies ? result : null;
    }

    /// <summary>Whether a <c>gateways</c> field lets its owner apply to the mesh; reports the others in it.</summary>
    public static bool AppliesToMesh(ObjectReader owner, string what)
    {
        var gateways = owner.Texts("gateways");
        var others = gateways.Where(static name => name != MeshGateway).Select(RuleText.Quote).ToList();
        if (others.Count == 0)
        {
            return true;
        }

        var applies = others.Count < gateways.Count;
        owner.Reading.NotSupported(
            owner.Find("gateways")!.Value.Location,
            $"the gateway {string.Join(", ", others)}",
            applies
                ? "has no effect; calls inside the mesh are routed"
                : $"{what} is skipped, because it is not for '{MeshGateway}'");
        return applies;
    }

    private static StringMatchConfig? Required(ObjectReader match, string key) =>
        match.Find(key) is { } value ? Text(value, allowPresence: false) : null;

    private static List<NamedMatchConfig> Named(ObjectReader match, string key, bool header)
    {
        var result = new List<NamedMatchConfig>();
        foreach (var (name, value) in match.Entries(key))
        {
            if ((!header || HeadersReader.IsName(value, name)) && Text(value, allowPresence: true) is { } condition)
            {
                result.Add(new NamedMatchConfig(name, condition));
            }
        }

        return result;
    }

    private static StringMatchConfig? Text(RuleValue value, bool allowPresence)
    {
        if (allowPresence && value.IsEmpty)
        {
            return new StringMatchConfig(StringMatchKind.Present, "", value.Location);
        }

        if (value.Node is ScalarNode { Text: { } bare } && bare.Length > 0)
        {
            var exact = value.Reading.Show("exact");
            var example = $"{{ {exact}: {RuleText.Cut(bare)} }}";
            value.Error($"{RuleText.Quote(bare)} stands where a comparison is wanted; write {example}");
            return null;
        }

        if (value.Object() is not { } map)
        {
            return null;
        }

        var found = new List<StringMatchConfig>();
        Take("exact", StringMatchKind.Exact);
        Take("prefix", StringMatchKind.Prefix);
        Take("regex", StringMatchKind.Regex);
        map.Done();
        if (found.Count == 1)
        {
            // Istio: the whole regex "*" is no expression but asks for presence.
            return found[0] is { Kind: StringMatchKind.Regex, Value: "*" } any && allowPresence
                ? any with { Kind = StringMatchKind.Present, Value = "" }
                : found[0];
        }

        if (found.Count > 1 || map.Node.Entries.Count == 0)
        {
            var words = value.Reading.Show("exact", "prefix", "regex");
            map.Error($"exactly one of {words} is wanted, and there are {found.Count}");
        }

        return null;

        void Take(string key, StringMatchKind kind)
        {
            if (map.Find(key) is { } text && text.Text() is { } compared)
            {
                found.Add(new StringMatchConfig(kind, compared, text.Location));
            }
        }
    }
}
