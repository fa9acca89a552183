using Mesh.Server.Security;

namespace Microsoft.AspNetCore.Http;

/// <summary>What the mesh knows of a request.</summary>
public static class MeshHttpContextExtensions
{
    /// <summary>
    /// The workload that has sent the request: the identity of its certificate, or the one that a gateway of
    /// <c>Mesh:Security:Gateways</c> vouches for in <c>X-Forwarded-Client-Cert</c>.
    /// </summary>
    /// <param name="context">The request.</param>
    /// <returns><see langword="null"/> for plaintext, TLS without a certificate, and where the mesh has no certificates.</returns>
    /// <remarks>
    /// <see cref="HttpContext.User"/> stays the end user's: were the workload put there, <c>[Authorize]</c> without a scheme would take
    /// any workload of the mesh for somebody who has logged in. Policies that want it use the scheme of <c>AddMeshPeer</c>.
    /// </remarks>
    public static MeshPeer? GetMeshPeer(this HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.Features.Get<InboundConnection>() is { Peer: { } id } inbound ? new MeshPeer(id, inbound.Gateway) : null;
    }
}
