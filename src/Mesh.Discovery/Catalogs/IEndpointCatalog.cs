namespace Mesh.Discovery.Catalogs;

/// <summary>Where endpoints come from. A catalog never touches the data path: it tells an observer what changed.</summary>
public interface IEndpointCatalog
{
    /// <summary>The name by which <c>Mesh:Discovery:Providers</c> chooses it, for example <c>File</c>.</summary>
    string Name { get; }

    /// <summary>Follows the catalog until cancelled; reports to <paramref name="observer"/>, one call at a time.</summary>
    /// <param name="observer">Told of each service once at the start and again whenever it changes.</param>
    /// <param name="stop">Ends the watch.</param>
    /// <returns>A task that ends when <paramref name="stop"/> is cancelled. If it fails, the mesh logs and calls again.</returns>
    Task WatchAsync(ICatalogObserver observer, CancellationToken stop);
}
