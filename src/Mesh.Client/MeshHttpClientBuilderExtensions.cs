using Mesh.Client;
using Mesh.Client.Http;
using Mesh.Discovery;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Chooses single clients for the mesh, or takes them out.</summary>
public static class MeshHttpClientBuilderExtensions
{
    /// <summary>Meshes this client only, in a process that did not call <c>builder.AddServiceMesh()</c>; there it changes nothing.</summary>
    /// <param name="builder">The client.</param>
    /// <param name="configure">Changes what the configuration says, for the whole process. Default: nothing.</param>
    /// <returns>The same builder.</returns>
    public static IHttpClientBuilder AddServiceMesh(this IHttpClientBuilder builder, Action<MeshOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        MeshRegistration.Add(builder.Services, configure);
        builder.Services.Configure<MeshClientOptions>(builder.Name, static options => options.IsMeshed = true);
        return builder;
    }

    /// <summary>Leaves this client as it would be without the mesh.</summary>
    /// <param name="builder">The client.</param>
    /// <returns>The same builder.</returns>
    public static IHttpClientBuilder WithoutServiceMesh(this IHttpClientBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.Configure<MeshClientOptions>(builder.Name, static options => options.IsMeshed = false);
        return builder;
    }
}
