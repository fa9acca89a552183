using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads an address or a block of addresses.</summary>
internal static class AddressBlock
{
    /// <summary>Null if the text is none. Bits behind the prefix do not count: <c>10.1.2.3/8</c> is <c>10.0.0.0/8</c>.</summary>
    public static IPNetwork? Parse(string text)
    {
        var slash = text.IndexOf('/');
        var host = slash < 0 ? text : text[..slash];

        // The runtime reads 10.1 and 0x7f000001 as addresses, too.
        if (host.Contains('%') || !IPAddress.TryParse(host, out var address)
            || (address.AddressFamily == AddressFamily.InterNetwork && address.ToString() != host))
        {
            return null;
        }

        var bytes = address.GetAddressBytes();
        var length = bytes.Length * 8;
        if (slash >= 0 && (!int.TryParse(text.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out length) || length > bytes.Length * 8))
        {
            return null;
        }

        for (var i = 0; i < bytes.Length; i++)
        {
            var bits = Math.Clamp(length - (i * 8), 0, 8);
            bytes[i] &= (byte)(0xFF << (8 - bits));
        }

        // Addresses are compared in their IPv4 form where they have one.
        var masked = new IPAddress(bytes);
        return masked.IsIPv4MappedToIPv6 && length >= 96
            ? new IPNetwork(masked.MapToIPv4(), length - 96)
            : new IPNetwork(masked, length);
    }
}
