namespace Mesh.Discovery.Catalogs;

/// <summary>One running process of a service, as it announces itself.</summary>
/// <param name="Id">Unique among the instances of the service; letters, digits, dot, dash and underscore.</param>
/// <param name="Service">The service that it belongs to.</param>
/// <param name="Endpoint">Where and what it is.</param>
public sealed record ServiceInstance(string Id, ServiceName Service, Endpoint Endpoint)
{
    /// <summary>Nothing without a certificate of the mesh gets an answer there: no checks from outside.</summary>
    internal bool RefusesPlaintext { get; init; }
}
