namespace Mesh.Discovery.Catalogs;

/// <summary>What a catalog reports to.</summary>
public interface ICatalogObserver
{
    /// <summary>The service's endpoints in this catalog are now these; an empty list means that it has none.</summary>
    /// <param name="service">The service.</param>
    /// <param name="endpoints">All of its endpoints, each address once.</param>
    void ServiceChanged(ServiceName service, IReadOnlyList<Endpoint> endpoints);

    /// <summary>Everything that the catalog held at its start has been reported. Called once; later calls do nothing.</summary>
    void Synced();
}
