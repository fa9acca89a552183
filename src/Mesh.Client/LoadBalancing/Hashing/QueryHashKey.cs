using System.Buffers;

namespace Mesh.Client.LoadBalancing.Hashing;

/// <summary>
/// The first query parameter of a name. Name and value are compared as decoded text, with <c>+</c> for a space, so that
/// one value written in two ways is one key. An empty value is none.
/// </summary>
internal sealed class QueryHashKey(string name) : HashKey
{
    private const int StackLimit = 256;

    public override bool TryHash(HttpRequestMessage request, out ulong hash)
    {
        if (request.RequestUri is { } uri)
        {
            // Uri caches this string, and the transport needs it anyway.
            var rest = (uri.IsAbsoluteUri ? uri.PathAndQuery : uri.OriginalString).AsSpan();
            var query = rest.IndexOf('?');
            rest = query < 0 ? [] : rest[(query + 1)..];
            while (!rest.IsEmpty)
            {
                var end = rest.IndexOf('&');
                var pair = end < 0 ? rest : rest[..end];
                rest = end < 0 ? [] : rest[(end + 1)..];
                var equals = pair.IndexOf('=');
                if (IsName(equals < 0 ? pair : pair[..equals]))
                {
                    return TryHashDecoded(equals < 0 ? [] : pair[(equals + 1)..], out hash);
                }
            }
        }

        hash = 0;
        return false;
    }

    private static bool TryHashDecoded(ReadOnlySpan<char> value, out ulong hash)
    {
        if (!value.ContainsAny('%', '+'))
        {
            hash = value.IsEmpty ? 0 : Hash.Of(value);
            return !value.IsEmpty;
        }

        char[]? rented = null;
        var buffer = value.Length <= StackLimit
            ? stackalloc char[StackLimit]
            : rented = ArrayPool<char>.Shared.Rent(value.Length);
        hash = Hash.Of(Decode(value, buffer));
        if (rented is not null)
        {
            ArrayPool<char>.Shared.Return(rented);
        }

        return true;
    }

    private static ReadOnlySpan<char> Decode(ReadOnlySpan<char> text, Span<char> buffer)
    {
        text.Replace(buffer, '+', ' ');
        return Uri.TryUnescapeDataString(buffer[..text.Length], buffer, out var length)
            ? buffer[..length]
            : buffer[..text.Length];
    }

    private bool IsName(ReadOnlySpan<char> text) => text.ContainsAny('%', '+')
        ? Uri.UnescapeDataString(text.ToString().Replace('+', ' ')) == name
        : text.SequenceEqual(name);
}
