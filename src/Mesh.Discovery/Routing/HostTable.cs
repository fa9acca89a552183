using System.Diagnostics.CodeAnalysis;

namespace Mesh.Discovery.Routing;

/// <summary>Things by host, where a host may be a wildcard such as <c>*.example.com</c>: the most specific one is found.</summary>
internal sealed class HostTable<T>
    where T : class
{
    private readonly Dictionary<string, T> _exact = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Keyed by what follows the asterisk.</summary>
    private readonly Dictionary<string, T> _wildcards = new(StringComparer.OrdinalIgnoreCase);

    public IEnumerable<KeyValuePair<string, T>> Exact => _exact;

    public IEnumerable<KeyValuePair<string, T>> Wildcards => _wildcards;

    public void Set(string host, T value)
    {
        if (host.StartsWith('*'))
        {
            _wildcards[host[1..]] = value;
        }
        else
        {
            _exact[host] = value;
        }
    }

    public bool TryGetExact(string host, [MaybeNullWhen(false)] out T value) =>
        host.StartsWith('*') ? _wildcards.TryGetValue(host[1..], out value) : _exact.TryGetValue(host, out value);

    /// <summary>The entry of the host itself, else of the longest wildcard that covers it.</summary>
    public T? Find(string host)
    {
        if (_exact.TryGetValue(host, out var value))
        {
            return value;
        }

        if (_wildcards.Count > 0)
        {
            for (var dot = host.IndexOf('.'); dot >= 0; dot = host.IndexOf('.', dot + 1))
            {
                if (_wildcards.TryGetValue(host[dot..], out value))
                {
                    return value;
                }
            }

            return _wildcards.GetValueOrDefault("");
        }

        return null;
    }

    public HostTable<TOther> Select<TOther>(Func<T, TOther> selector)
        where TOther : class
    {
        var other = new HostTable<TOther>();
        foreach (var (host, value) in _exact)
        {
            other._exact[host] = selector(value);
        }

        foreach (var (suffix, value) in _wildcards)
        {
            other._wildcards[suffix] = selector(value);
        }

        return other;
    }
}
