namespace Mesh.Discovery.Runtime;

/// <summary>What policies attach to: a service, one of its subsets, one of its ports.</summary>
/// <param name="Service">The service.</param>
/// <param name="Subset">Null for all endpoints.</param>
/// <param name="Port">Null for the port of the request.</param>
internal readonly record struct DestinationKey(ServiceName Service, string? Subset = null, int? Port = null)
{
    /// <summary><c>reviews.prod</c>, <c>reviews.prod/v2</c>, <c>reviews.prod/v2:8080</c>.</summary>
    public override string ToString() =>
        Service + (Subset is null ? "" : $"/{Subset}") + (Port is null ? "" : $":{Port}");
}
