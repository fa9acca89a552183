using Mesh.Server.Security;
using Microsoft.AspNetCore.Authentication;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Lets ASP.NET Core's authorization policies use the identity of the calling workload.</summary>
public static class MeshPeerExtensions
{
    /// <summary>Adds a scheme that takes the workload which <c>HttpContext.GetMeshPeer()</c> tells of for the user.</summary>
    /// <param name="builder">The authentication.</param>
    /// <param name="scheme">Its name. Default <see cref="MeshPeer.AuthenticationScheme"/>.</param>
    /// <remarks>
    /// ASP.NET Core takes a scheme that is the only one for the default: then <c>[Authorize]</c> lets in every workload of the mesh.
    /// Name the scheme in the policies that mean workloads, and set a default scheme for people.
    /// </remarks>
    public static AuthenticationBuilder AddMeshPeer(this AuthenticationBuilder builder, string scheme = MeshPeer.AuthenticationScheme)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddScheme<AuthenticationSchemeOptions, MeshPeerHandler>(scheme, null);
    }
}
