using System.Net.Http.Headers;

namespace Mesh.Client.LoadBalancing.Hashing;

/// <summary>
/// A header, or one of the pseudo-headers <c>:authority</c>, <c>:method</c> and <c>:path</c>. Several values count
/// regardless of their order; an empty value is none.
/// </summary>
internal sealed class HeaderHashKey(string name) : HashKey
{
    private readonly string? _pseudo = name.StartsWith(':') ? name.ToLowerInvariant()
        : name.Equals("Host", StringComparison.OrdinalIgnoreCase) ? ":authority"
        : null;

    public override bool TryHash(HttpRequestMessage request, out ulong hash)
    {
        if (_pseudo is not null)
        {
            return TryHash(Pseudo(request), out hash);
        }

        if (request.Headers.NonValidated.TryGetValues(name, out var values) ||
            (request.Content?.Headers.NonValidated.TryGetValues(name, out values) ?? false))
        {
            return values.Count == 1 ? TryHash(values.ToString(), out hash) : TryHashAll(values, out hash);
        }

        hash = 0;
        return false;
    }

    private static bool TryHashAll(HeaderStringValues values, out ulong hash)
    {
        hash = 0;
        var any = false;
        foreach (var value in values)
        {
            any |= TryHash(value, out var part);
            hash += part;
        }

        return any;
    }

    private static bool TryHash(string? value, out ulong hash)
    {
        hash = string.IsNullOrEmpty(value) ? 0 : Hash.Of(value);
        return !string.IsNullOrEmpty(value);
    }

    private string? Pseudo(HttpRequestMessage request) => _pseudo switch
    {
        ":authority" => request.Headers.Host ?? request.RequestUri?.Authority,
        ":method" => request.Method.Method,
        ":path" => request.RequestUri?.PathAndQuery,
        _ => null,
    };
}
