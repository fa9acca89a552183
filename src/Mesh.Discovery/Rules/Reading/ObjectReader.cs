namespace Mesh.Discovery.Rules.Reading;

/// <summary>
/// Reads the fields of one map and remembers which were asked for, so that <see cref="Done"/> can report every key that
/// nobody knows, with the nearest known one. Keys are named in camelCase whatever the dialect.
/// </summary>
internal sealed class ObjectReader(RuleReading reading, MapNode node, string path)
{
    private readonly List<string> _supported = [];
    private readonly HashSet<string> _known = new(
        reading.Dialect == RuleDialect.Configuration ? StringComparer.OrdinalIgnoreCase : StringComparer.Ordinal);

    public RuleReading Reading { get; } = reading;

    public MapNode Node { get; } = node;

    public string Path { get; } = path;

    public SourceLocation Location => Reading.At(Node, Path);

    /// <summary>The field, if it is there with a value other than null.</summary>
    public RuleValue? Find(string key)
    {
        if (_known.Add(key))
        {
            _supported.Add(key);
        }

        return Node.Find(key) is { } entry && entry.Value is not ScalarNode { Text: null } ? Value(entry) : null;
    }

    /// <summary>The field; reported if it is missing.</summary>
    public RuleValue? Require(string key)
    {
        var value = Find(key);
        if (value is null)
        {
            Reading.Error(Location, $"'{Reading.Show(key)}' is missing");
        }

        return value;
    }

    /// <summary>The field as a text on one line; empty is the same as missing.</summary>
    public string? Text(string key) => Find(key)?.Line() is { Length: > 0 } text ? text : null;

    /// <summary>The field as a text on one line that must not be missing or empty.</summary>
    public string? RequireText(string key)
    {
        if (Require(key) is not { } value)
        {
            return null;
        }

        var text = value.Line();
        if (text is "")
        {
            value.Refuse("is empty", "a text");
            return null;
        }

        return text;
    }

    public int? Int(string key, int min = 0, int max = int.MaxValue) => Find(key)?.Int(min, max);

    public int? Port(string key) => Int(key, 1, 65535);

    public bool? Bool(string key) => Find(key)?.Bool();

    public TimeSpan? Duration(string key, TimeSpan min = default) => Find(key)?.Duration(min);

    public ObjectReader? Object(string key) => Find(key)?.Object();

    /// <summary>The field as a map that may be empty: configuration keeps of such a one only its key.</summary>
    public ObjectReader? ObjectOrEmpty(string key) =>
        Reading.Dialect == RuleDialect.Configuration && Find(key) is null ? Member(key)?.Object() : Object(key);

    /// <summary>The field, if its key is there at all.</summary>
    public RuleValue? Member(string key) => Node.Find(key) is { } entry ? Value(entry) : null;

    public IReadOnlyList<RuleValue> Items(string key) => Find(key)?.Items() ?? [];

    public IReadOnlyList<(string Key, RuleValue Value)> Entries(string key) => Find(key)?.Entries() ?? [];

    public IReadOnlyList<string> Texts(string key) => Find(key)?.Texts() ?? [];

    public Labels Labels(string key) => Find(key)?.Labels() ?? Discovery.Labels.Empty;

    /// <summary>The maps of a list.</summary>
    public IEnumerable<ObjectReader> Objects(string key)
    {
        foreach (var item in Items(key))
        {
            if (item.Object() is { } map)
            {
                yield return map;
            }
        }
    }

    public void Error(string message) => Reading.Error(Location, message);

    /// <summary>How many of some fields are there and not empty.</summary>
    public int CountOf(params ReadOnlySpan<string> keys)
    {
        var count = 0;
        foreach (var key in keys)
        {
            count += Node.Find(key) is { Value: not ScalarNode { Text: null or "" } } ? 1 : 0;
        }

        return count;
    }

    /// <summary>Reports that more than one of some fields is there.</summary>
    public void AtMostOne(params ReadOnlySpan<string> keys)
    {
        if (CountOf(keys) > 1)
        {
            Error($"only one of {Reading.Show(keys)} is wanted");
        }
    }

    /// <summary>Reports that none of some fields is there.</summary>
    public void AtLeastOne(params ReadOnlySpan<string> keys)
    {
        if (CountOf(keys) == 0)
        {
            Error($"changes nothing; wanted: {Reading.Show(keys)}");
        }
    }

    /// <summary>Fields whose meaning is not implemented: reported where they are used, never dropped.</summary>
    public void NotSupported(params ReadOnlySpan<string> keys)
    {
        foreach (var key in keys)
        {
            _known.Add(key);
            if (Node.Find(key) is { } entry && !Value(entry).IsNull)
            {
                Reading.NotSupported(KeyLocation(entry), $"'{Reading.Show(key)}'");
            }
        }
    }

    /// <summary>Fields without a meaning for the mesh, such as Kubernetes' bookkeeping.</summary>
    public void Ignore(params ReadOnlySpan<string> keys)
    {
        foreach (var key in keys)
        {
            _known.Add(key);
        }
    }

    /// <summary>Reports every key that was not asked for.</summary>
    public void Done()
    {
        foreach (var entry in Node.Entries)
        {
            if (_known.Contains(entry.Key))
            {
                continue;
            }

            var allowed = _supported.ConvertAll(Reading.Show);
            var nearest = RuleText.Nearest(entry.Key, allowed);
            var meant = nearest is null ? "" : $"; did you mean '{nearest}'?";
            Reading.Error(
                KeyLocation(entry),
                $"unknown key {RuleText.Quote(entry.Key)}{meant} (allowed: {string.Join(", ", allowed)})");
        }
    }

    private RuleValue Value(MapEntry entry) => new(Reading, entry.Value, Reading.Join(Path, entry.Key));

    private SourceLocation KeyLocation(MapEntry entry) =>
        new(entry.Value.Origin, Reading.Join(Path, entry.Key), entry.Line, Reading.Document);
}
