using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Client;

/// <summary>What <c>AddServiceMesh</c> returns: the place where further parts of the mesh are added.</summary>
public interface IMeshBuilder
{
    /// <summary>The services of the application.</summary>
    IServiceCollection Services { get; }
}
