namespace Mesh.Discovery.Consul;

/// <summary>The prefix of the keys that hold rules, and the names below it.</summary>
internal static class ConsulKeyPrefix
{
    public const string Allowed =
        "names separated by '/', without control characters, '.' and '..', such as 'mesh/config/'; empty reads none";

    /// <summary>Without a slash at its start, and with one at its end; empty stays empty.</summary>
    public static string Normalize(string prefix)
    {
        prefix = prefix.TrimStart('/');
        return prefix.Length == 0 || prefix.EndsWith('/') ? prefix : prefix + "/";
    }

    /// <summary>Whether a prefix can be used: a lone slash would name every key that there is.</summary>
    public static bool IsPrefix(string prefix) =>
        prefix.Length == 0 || IsName(prefix.StartsWith('/') ? prefix[1..].TrimEnd('/') : prefix.TrimEnd('/'));

    /// <summary>
    /// Whether a text can be a key, or the end of one. Segments of dots would be lost on their way through the URL.
    /// </summary>
    public static bool IsName(string name)
    {
        if (name.Length is 0 or > 512)
        {
            return false;
        }

        foreach (var range in name.AsSpan().Split('/'))
        {
            var segment = name.AsSpan()[range];
            if (segment.Length == 0 || segment is "." or "..")
            {
                return false;
            }
        }

        return !name.Any(static c => char.IsControl(c) || char.IsSurrogate(c));
    }
}
