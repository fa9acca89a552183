namespace Mesh.Discovery.Rules.Reading;

/// <summary>A value of a rule document, whatever it was written in, with the place where it was written.</summary>
internal abstract class RuleNode(string origin, int line)
{
    /// <summary>The file or the configuration provider.</summary>
    public string Origin { get; } = origin;

    /// <summary>From 1; 0 where the origin has no lines.</summary>
    public int Line { get; } = line;

    /// <summary>How many nodes there are from here down, each counted as often as aliases repeat it.</summary>
    public int Size { get; protected set; } = 1;

    /// <summary>How many levels there are from here down, through aliases.</summary>
    public int Height { get; protected set; } = 1;

    protected void Grow(RuleNode child)
    {
        Size = (int)Math.Min(int.MaxValue, (long)Size + child.Size);
        Height = Math.Max(Height, child.Height + 1);
    }
}

/// <summary>A text, number, truth value or null.</summary>
/// <param name="origin">Where it is from.</param>
/// <param name="line">Its line.</param>
/// <param name="text">As written, without quotes; <see langword="null"/> for null.</param>
/// <param name="plain">Whether the format tells texts from numbers and this was written without quotes.</param>
internal sealed class ScalarNode(string origin, int line, string? text, bool plain) : RuleNode(origin, line)
{
    public string? Text { get; } = text;

    public bool Plain { get; } = plain;
}

internal sealed class ListNode(string origin, int line) : RuleNode(origin, line)
{
    private readonly List<RuleNode> _items = [];

    public IReadOnlyList<RuleNode> Items => _items;

    public void Add(RuleNode item)
    {
        _items.Add(item);
        Grow(item);
    }
}

/// <summary>Keys and values in the order in which they were written.</summary>
internal sealed class MapNode(string origin, int line, StringComparer comparer) : RuleNode(origin, line)
{
    private readonly Dictionary<string, MapEntry> _byKey = new(comparer);
    private readonly List<MapEntry> _entries = [];

    public IReadOnlyList<MapEntry> Entries => _entries;

    /// <summary>A text that was given for the same configuration key as the map.</summary>
    public string? StrayText { get; init; }

    public MapEntry? Find(string key) => _byKey.GetValueOrDefault(key);

    public bool TryAdd(MapEntry entry)
    {
        if (!_byKey.TryAdd(entry.Key, entry))
        {
            return false;
        }

        _entries.Add(entry);
        Grow(entry.Value);
        return true;
    }
}

internal sealed record MapEntry(string Key, int Line, RuleNode Value);
