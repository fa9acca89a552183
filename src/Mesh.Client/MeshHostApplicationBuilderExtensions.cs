using Mesh.Client;
using Mesh.Discovery;

namespace Microsoft.Extensions.Hosting;

/// <summary>Puts a process into the mesh.</summary>
public static class MeshHostApplicationBuilderExtensions
{
    /// <summary>
    /// Meshes every <see cref="HttpClient"/> that comes from <see cref="IHttpClientFactory"/>: calls to services that the
    /// mesh knows are routed, balanced and retried as its rules say. Everything is read from the configuration section
    /// <c>Mesh</c>. A web application gets the inbound half too, by the overload in Mesh.Server.
    /// </summary>
    /// <param name="builder">The application's builder.</param>
    /// <param name="configure">Changes what the configuration says. Default: nothing.</param>
    /// <returns>For adding further parts.</returns>
    /// <remarks>
    /// Calling it again is harmless; each <paramref name="configure"/> runs. The host does not start if the first
    /// configuration has errors: it stops with a <see cref="MeshConfigurationException"/> that lists all of them.
    /// </remarks>
    public static IMeshBuilder AddServiceMesh(this IHostApplicationBuilder builder, Action<MeshOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        MeshRegistration.Add(builder.Services, configure);
        MeshRegistration.MeshAllClients(builder.Services);
        return new MeshBuilder(builder.Services);
    }
}
