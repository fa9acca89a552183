using System.Diagnostics.CodeAnalysis;
using Mesh.Discovery.Rules.Reading;

namespace Mesh.Discovery.Consul;

/// <summary>The address of an agent, as Consul's own tools write it.</summary>
internal static class ConsulAddress
{
    public const string Allowed =
        "'host:port', 'http://host:port', 'https://host:port' or 'unix:///path', without a user, password or path";

    /// <summary>Reads an address.</summary>
    /// <param name="text">As written.</param>
    /// <param name="isTls">Whether <c>host:port</c> means https.</param>
    /// <param name="address">The address.</param>
    public static bool TryParse(string text, bool isTls, [NotNullWhen(true)] out Uri? address)
    {
        if (!text.Contains("://", StringComparison.Ordinal))
        {
            text = $"{(isTls ? "https" : "http")}://{text}";
        }

        return Uri.TryCreate(text, UriKind.Absolute, out address) && IsAddress(address);
    }

    public static bool IsAddress(Uri address)
    {
        if (!address.IsAbsoluteUri || address is not { UserInfo.Length: 0, Query.Length: 0, Fragment.Length: 0 })
        {
            return false;
        }

        return address.Scheme switch
        {
            "unix" => address is { Host.Length: 0, AbsolutePath.Length: > 1 },
            "http" or "https" => address is { AbsolutePath: "/", Port: > 0 }
                && HostText.IsHost(address.IdnHost, wildcard: false),
            _ => false,
        };
    }

    /// <summary>
    /// For messages: without what may be a password, should the application have put one there.
    /// </summary>
    public static string Show(Uri address) => address.Scheme == "unix"
        ? $"unix://{address.AbsolutePath}"
        : address.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped);
}
