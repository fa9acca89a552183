namespace Mesh.Discovery.Catalogs;

/// <summary>A catalog in which a process can announce itself.</summary>
public interface IServiceRegistry
{
    /// <summary>Announces the instance and keeps it alive until the registration is disposed, which withdraws it.</summary>
    /// <param name="instance">What to announce.</param>
    /// <param name="cancel">Gives up the first announcement.</param>
    /// <exception cref="IOException">The registry could not be written.</exception>
    ValueTask<IAsyncDisposable> RegisterAsync(ServiceInstance instance, CancellationToken cancel);
}
