using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Microsoft.AspNetCore.Http;

namespace Mesh.Server.Registration;

/// <summary>Chooses the address under which others reach this process from those that the server listens on.</summary>
internal static class AdvertisedAddress
{
    /// <summary>The first http address, or the first https one, with a host that others can dial.</summary>
    /// <param name="listening">Addresses as the server reports them, such as <c>http://[::]:5000</c>.</param>
    /// <param name="onThisMachineOnly">Whether all callers run on this machine.</param>
    /// <param name="ownAddress">Finds an address of this machine that others can dial; null if it has none.</param>
    /// <returns>Null if the server listens on no TCP address.</returns>
    public static Uri? Choose(IEnumerable<string> listening, bool onThisMachineOnly, Func<IPAddress?> ownAddress)
    {
        Uri? https = null;
        foreach (var text in listening)
        {
            var address = BindingAddress.Parse(text);
            if (address.IsUnixPipe || address.IsNamedPipe)
            {
                continue;
            }

            var scheme = address.Scheme.ToLowerInvariant();
            if (scheme == Uri.UriSchemeHttp)
            {
                return Create(scheme, address, onThisMachineOnly, ownAddress);
            }

            if (scheme == Uri.UriSchemeHttps)
            {
                https ??= Create(scheme, address, onThisMachineOnly, ownAddress);
            }
        }

        return https;
    }

    /// <summary>What a program may have put there is nobody else's business, and callers would not use it.</summary>
    public static Uri? WithoutUser(Uri? address) => address is { UserInfo.Length: > 0 }
        ? new Uri(address.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped))
        : address;

    /// <summary>The port on which calls to an advertised address arrive, if the mesh's TLS can be there; null for https, which is the application's.</summary>
    /// <param name="advertised">The address, perhaps one before a translation of addresses.</param>
    /// <param name="listening">Addresses as the server reports them.</param>
    public static int? MeshPort(Uri advertised, IEnumerable<string> listening)
    {
        if (advertised.Scheme != Uri.UriSchemeHttp)
        {
            return null;
        }

        var ports = listening.Select(BindingAddress.Parse)
            .Where(static address => !address.IsUnixPipe && !address.IsNamedPipe && address.Scheme.Equals(Uri.UriSchemeHttp, StringComparison.OrdinalIgnoreCase))
            .Select(static address => address.Port)
            .ToList();
        return ports.Contains(advertised.Port) ? advertised.Port : ports.Count > 0 ? ports[0] : null;
    }

    /// <summary>The first unicast IPv4 address of an interface that is up and is not the loopback.</summary>
    public static IPAddress? OfThisMachine() =>
        NetworkInterface.GetAllNetworkInterfaces()
            .Where(static face => face.OperationalStatus is OperationalStatus.Up or OperationalStatus.Unknown)
            .Where(static face => face.NetworkInterfaceType != NetworkInterfaceType.Loopback)
            .SelectMany(static face => face.GetIPProperties().UnicastAddresses)
            .Select(static unicast => unicast.Address)
            .FirstOrDefault(static address =>
                address.AddressFamily == AddressFamily.InterNetwork && !IPAddress.IsLoopback(address));

    private static Uri Create(
        string scheme, BindingAddress address, bool onThisMachineOnly, Func<IPAddress?> ownAddress)
    {
        var host = address.Host;
        if (host.Equals("localhost", StringComparison.OrdinalIgnoreCase))
        {
            // Kestrel listens on both loopback addresses for it; the literal spares callers the look-up.
            host = IPAddress.Loopback.ToString();
        }
        else if (IsWildcard(host))
        {
            host = ((onThisMachineOnly ? null : ownAddress()) ?? IPAddress.Loopback).ToString();
        }

        return new UriBuilder(scheme, host, address.Port).Uri;
    }

    private static bool IsWildcard(string host) =>
        host is "*" or "+"
        || (IPAddress.TryParse(host, out var ip) && (ip.Equals(IPAddress.Any) || ip.Equals(IPAddress.IPv6Any)));
}
