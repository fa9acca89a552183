namespace Mesh.Discovery.Catalogs;

/// <summary>
/// A catalog that follows only the services that the process calls, because it may hold thousands that the process never
/// will. The mesh asks for each service before its first call.
/// </summary>
public interface IOnDemandCatalog : IEndpointCatalog
{
    /// <summary>Starts to follow the service if it is not followed yet. Safe for concurrent use.</summary>
    /// <param name="service">The service.</param>
    /// <returns>
    /// Done when the observer has been told of the service, also that it has no endpoints; done at once for a name that
    /// this catalog can never hold. Never fails.
    /// </returns>
    Task FollowAsync(ServiceName service);
}
