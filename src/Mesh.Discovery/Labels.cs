using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace Mesh.Discovery;

/// <summary>An immutable set of labels with value equality. Keys and values compare ordinally, as in Kubernetes.</summary>
/// <remarks>Safe for concurrent use.</remarks>
public sealed class Labels : IReadOnlyDictionary<string, string>, IEquatable<Labels>
{
    /// <summary>No labels.</summary>
    public static readonly Labels Empty = new([]);

    private readonly KeyValuePair<string, string>[] _pairs;

    /// <summary>Copies the given labels; a key given twice keeps its last value.</summary>
    /// <param name="labels">The labels.</param>
    public Labels(IEnumerable<KeyValuePair<string, string>> labels)
    {
        ArgumentNullException.ThrowIfNull(labels);
        var sorted = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in labels)
        {
            sorted[key] = value;
        }

        _pairs = [.. sorted];
    }

    /// <inheritdoc/>
    public int Count => _pairs.Length;

    /// <inheritdoc/>
    public IEnumerable<string> Keys => _pairs.Select(static pair => pair.Key);

    /// <inheritdoc/>
    public IEnumerable<string> Values => _pairs.Select(static pair => pair.Value);

    /// <inheritdoc/>
    public string this[string key] =>
        TryGetValue(key, out var value) ? value : throw new KeyNotFoundException($"There is no label '{key}'.");

    /// <summary>Whether every label of <paramref name="selector"/> is here with the same value.</summary>
    /// <param name="selector">What to look for; an empty selector matches everything.</param>
    public bool Contains(Labels selector)
    {
        ArgumentNullException.ThrowIfNull(selector);
        foreach (var (key, value) in selector._pairs)
        {
            if (!TryGetValue(key, out var own) || own != value)
            {
                return false;
            }
        }

        return true;
    }

    /// <inheritdoc/>
    public bool ContainsKey(string key) => TryGetValue(key, out _);

    /// <inheritdoc/>
    public bool TryGetValue(string key, [MaybeNullWhen(false)] out string value)
    {
        foreach (var pair in _pairs)
        {
            if (pair.Key == key)
            {
                value = pair.Value;
                return true;
            }
        }

        value = null;
        return false;
    }

    /// <inheritdoc/>
    public bool Equals(Labels? other) => other is not null && _pairs.AsSpan().SequenceEqual(other._pairs);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as Labels);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (var (key, value) in _pairs)
        {
            hash.Add(key);
            hash.Add(value);
        }

        return hash.ToHashCode();
    }

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<string, string>> GetEnumerator() => _pairs.AsEnumerable().GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary><c>version=v1,zone=a</c>.</summary>
    public override string ToString() => string.Join(',', _pairs.Select(static pair => $"{pair.Key}={pair.Value}"));
}
