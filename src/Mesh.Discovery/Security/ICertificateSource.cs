namespace Mesh.Discovery.Security;

/// <summary>
/// Where the certificate of this process and the roots that it trusts come from. Register an implementation as a singleton and name
/// it in <c>Mesh:Security:Certificates:Source</c>.
/// </summary>
public interface ICertificateSource
{
    /// <summary>How the configuration and the log name it.</summary>
    string Name { get; }

    /// <summary>
    /// Publishes the first set as soon as there is one, and each one that takes its place, one call at a time, until cancelled.
    /// </summary>
    /// <param name="publish">Takes a set. It owns the certificates from then on.</param>
    /// <param name="stop">Ends the watch.</param>
    /// <remarks>
    /// When it throws or returns it is called again after a growing pause, and what it published last stays in use. Private keys
    /// must not be logged, and must not be put where others can read them.
    /// </remarks>
    Task WatchAsync(Action<CertificateSet> publish, CancellationToken stop);
}
