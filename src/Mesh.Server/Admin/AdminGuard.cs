using System.Net;
using Mesh.Discovery;
using Mesh.Discovery.Security;
using Mesh.Server.Security;
using Microsoft.AspNetCore.Http;

namespace Mesh.Server.Admin;

/// <summary>Decides who may read the admin endpoints.</summary>
/// <remarks>
/// <para>A workload whose certificate proves that it is one of <see cref="AdminOptions.Identities"/>, from anywhere; what a gateway says
/// of its own callers is not enough.</para>
/// <para>Otherwise the peer's address must be a loopback one. That alone is not enough: a reverse
/// proxy on the same machine has such an address too, and a browser on it can be made to come here by a hostile name
/// server (DNS rebinding). So whatever a proxy adds is refused, as are HTTP/1.0, which proxies speak that add nothing
/// (nginx as it comes), and a Host that is a name other than localhost. A connection without an address is refused too:
/// a Unix socket or named pipe has a proxy at its other end more often than not. An in-memory test server has none
/// either; its tests set one on the connection, in a startup filter of their own.</para>
/// </remarks>
internal sealed class AdminGuard(AdminOptions options, SecurityOptions security, MeshCertificates certificates)
{
    private static readonly string[] s_proxyHeaders =
    [
        "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Original-For", "X-Real-IP", "Via",
    ];

    private readonly PrincipalPatterns _identities = new(options.Identities, security, certificates);

    /// <returns>Why the request is refused; null if it is not.</returns>
    public string? Refusal(HttpContext context)
    {
        foreach (var header in s_proxyHeaders)
        {
            if (context.Request.Headers.ContainsKey(header))
            {
                return $"a proxy has sent the request on (header {header})";
            }
        }

        var inbound = context.Features.Get<InboundConnection>();
        if (inbound?.Gateway is not null)
        {
            return "a gateway has sent the request on";
        }

        if (inbound?.Peer is { } caller && _identities.Matches(caller))
        {
            return null;
        }

        if (inbound?.Peer is not null && !_identities.IsEmpty)
        {
            // Wherever it seems to come from: a proxy on this machine may have passed it on.
            return "its caller is not one of Mesh:Admin:Identities";
        }

        var peer = context.Connection.RemoteIpAddress;
        if (peer is null)
        {
            return "the connection has no IP address";
        }

        if (!IPAddress.IsLoopback(peer.IsIPv4MappedToIPv6 ? peer.MapToIPv4() : peer))
        {
            return "the request comes from another machine";
        }

        if (HttpProtocol.IsHttp10(context.Request.Protocol) || HttpProtocol.IsHttp09(context.Request.Protocol))
        {
            return "the request is in HTTP/1.0, as proxies send it";
        }

        var host = context.Request.Host.Host;
        return host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || IPAddress.TryParse(host, out _)
            ? null
            : "its Host is neither an IP address nor localhost";
    }
}
