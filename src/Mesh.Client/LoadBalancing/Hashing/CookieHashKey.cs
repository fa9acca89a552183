using System.Globalization;
using Mesh.Discovery;
using Mesh.Discovery.Rules;

namespace Mesh.Client.LoadBalancing.Hashing;

/// <summary>
/// A cookie of the request's <c>Cookie</c> header (RFC 6265 section 5.4). If the rule gives a time to live and the request
/// has no such cookie, one is made, as Envoy does.
/// </summary>
internal sealed class CookieHashKey(HashCookieConfig config, IRandomSource random) : HashKey
{
    private readonly HttpRequestOptionsKey<string> _made = new($"Mesh.AffinityCookie.{config.Name}");

    private readonly string _attributes = Attributes(config);

    public override bool TryHash(HttpRequestMessage request, out ulong hash)
    {
        if (request.Headers.NonValidated.TryGetValues("Cookie", out var values))
        {
            foreach (var value in values)
            {
                var cookie = Find(value);
                if (!cookie.IsEmpty)
                {
                    hash = Hash.Of(cookie);
                    return true;
                }
            }
        }

        if (config.Ttl is not null && request.Options.TryGetValue(_made, out var made))
        {
            hash = Hash.Of(made);
            return true;
        }

        hash = 0;
        return false;
    }

    public override string? CreateAffinityCookie(HttpRequestMessage request)
    {
        if (config.Ttl is null || TryHash(request, out _))
        {
            return null;
        }

        var value = string.Create(16, random, static (text, random) =>
        {
            foreach (ref var digit in text)
            {
                digit = "0123456789abcdef"[random.Next(16)];
            }
        });
        request.Options.Set(_made, value);
        return $"{config.Name}={value}{_attributes}";
    }

    private static string Attributes(HashCookieConfig config)
    {
        // Envoy: a time to live of zero makes a session cookie.
        var age = config.Ttl is { } ttl && ttl > TimeSpan.Zero
            ? string.Create(CultureInfo.InvariantCulture, $"; Max-Age={(long)Math.Ceiling(ttl.TotalSeconds)}")
            : "";
        return $"{age}{(string.IsNullOrEmpty(config.Path) ? "" : $"; Path={config.Path}")}; HttpOnly";
    }

    private ReadOnlySpan<char> Find(ReadOnlySpan<char> header)
    {
        while (!header.IsEmpty)
        {
            var end = header.IndexOf(';');
            var pair = (end < 0 ? header : header[..end]).Trim();
            header = end < 0 ? [] : header[(end + 1)..];
            if (pair.Length > config.Name.Length && pair[config.Name.Length] == '=' && pair.StartsWith(config.Name))
            {
                var value = pair[(config.Name.Length + 1)..].Trim();
                return value is ['"', .. var quoted, '"'] ? quoted : value;
            }
        }

        return [];
    }
}
