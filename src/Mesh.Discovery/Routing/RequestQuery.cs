namespace Mesh.Discovery.Routing;

/// <summary>Finds a parameter in a query string without building a collection.</summary>
internal static class RequestQuery
{
    /// <summary>The decoded value of the first parameter of that name; null if there is none.</summary>
    /// <param name="query">With or without the leading question mark.</param>
    /// <param name="name">The decoded name; names are case-sensitive.</param>
    public static string? Find(ReadOnlySpan<char> query, string name)
    {
        if (query.StartsWith('?'))
        {
            query = query[1..];
        }

        while (!query.IsEmpty)
        {
            var end = query.IndexOf('&');
            var pair = end < 0 ? query : query[..end];
            query = end < 0 ? default : query[(end + 1)..];

            var equals = pair.IndexOf('=');
            var key = equals < 0 ? pair : pair[..equals];
            if (key.IndexOfAny('%', '+') < 0 ? key.SequenceEqual(name) : Decode(key) == name)
            {
                return equals < 0 ? "" : Decode(pair[(equals + 1)..]);
            }
        }

        return null;
    }

    private static string Decode(ReadOnlySpan<char> text)
    {
        if (text.IndexOfAny('%', '+') < 0)
        {
            return text.ToString();
        }

        return Uri.UnescapeDataString(text.ToString().Replace('+', ' '));
    }
}
