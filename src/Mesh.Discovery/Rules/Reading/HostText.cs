using System.Net;
using System.Net.Sockets;

namespace Mesh.Discovery.Rules.Reading;

/// <summary>Checks names of hosts and headers, which later become part of a request.</summary>
internal static class HostText
{
    public const string Allowed = "a name such as 'reviews', 'reviews.prod.svc.cluster.local' or 'api.example.com'";

    /// <summary>A DNS name or IP address; a leading <c>*</c> label only where a wildcard makes sense.</summary>
    public static string? Host(this RuleValue value, bool wildcard = false)
    {
        if (value.Text() is not { } host)
        {
            return null;
        }

        if (IsHost(host, wildcard))
        {
            return host;
        }

        value.Refuse(
            host.Contains('*') && !wildcard ? "may not hold a wildcard" : "is not a host",
            wildcard ? Allowed + ", or a wildcard such as '*.example.com'" : Allowed);
        return null;
    }

    public static bool IsHost(string host, bool wildcard)
    {
        if (wildcard && host == "*")
        {
            return true;
        }

        if (IPAddress.TryParse(host, out var address) && (address.AddressFamily == AddressFamily.InterNetworkV6
            || host.AsSpan().Count('.') == 3))
        {
            return true;
        }

        var name = host.AsSpan();
        name = wildcard && name.StartsWith("*.") ? name[2..] : name;
        name = name.EndsWith('.') ? name[..^1] : name;
        if (name.Length is 0 or > 253)
        {
            return false;
        }

        foreach (var range in name.Split('.'))
        {
            var label = name[range];
            if (label.Length is 0 or > 63 || label.ContainsAnyExcept(s_hostCharacters))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>A header name by RFC 9110, section 5.6.2.</summary>
    public static bool IsToken(string name) => name.Length > 0 && !name.AsSpan().ContainsAnyExcept(s_tokenCharacters);

    /// <summary>Visible ASCII, space and tab: what every HTTP version carries as it is.</summary>
    public static bool IsHeaderValue(string value)
    {
        foreach (var c in value)
        {
            if (c is (< ' ' or > '~') and not '\t')
            {
                return false;
            }
        }

        return true;
    }

    private const string LettersAndDigits = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    private static readonly System.Buffers.SearchValues<char> s_hostCharacters =
        System.Buffers.SearchValues.Create(LettersAndDigits + "-_");
    private static readonly System.Buffers.SearchValues<char> s_tokenCharacters =
        System.Buffers.SearchValues.Create(LettersAndDigits + "!#$%&'*+-.^_`|~");
}
