using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Consul;

/// <summary>What everything that follows Consul shares.</summary>
/// <param name="Client">The agent.</param>
/// <param name="Options">The options, with the environment applied.</param>
/// <param name="Status">How it stands with the agent.</param>
/// <param name="Saved">The last good view on disk.</param>
/// <param name="Time">The clock.</param>
/// <param name="Random">For jitter.</param>
/// <param name="Logger">Where failures are told.</param>
internal sealed record ConsulConnection(
    ConsulClient Client,
    ConsulOptions Options,
    ConsulStatus Status,
    SavedViews Saved,
    TimeProvider Time,
    IRandomSource Random,
    ILogger Logger) : IDisposable
{
    /// <summary>The <see cref="CertificateOptions.Source"/> that makes the process a member of Consul's own mesh.</summary>
    public const string ConnectSource = "Consul";

    /// <exception cref="ConsulException">An option, or what it names, cannot be used.</exception>
    public static ConsulConnection Create(
        MeshOptions options, string contentRoot, TimeProvider time, IRandomSource random, ILogger logger)
    {
        var consul = options.Discovery.Consul;
        consul.UsesConnect = options.Security.Certificates.Source.Equals(ConnectSource, StringComparison.OrdinalIgnoreCase);
        ConsulEnvironment.Apply(consul, Environment.GetEnvironmentVariable);
        options.Config.Consul.KeyPrefix = ConsulKeyPrefix.Normalize(options.Config.Consul.KeyPrefix);
        var problems = string.Join(' ', ConsulOptionsCheck.Validate(consul));
        if (problems.Length > 0)
        {
            throw new ConsulException(problems);
        }

        var client = new ConsulClient(consul, time);
        var saved = new SavedViews(SavedViews.DirectoryOf(options, contentRoot), time, logger);
        return new ConsulConnection(
            client, consul, new ConsulStatus(client.Agent, time, logger), saved, time, random, logger);
    }

    /// <summary>Writes what is not saved yet, and closes the connections.</summary>
    public void Dispose()
    {
        Saved.Dispose();
        Client.Dispose();
    }
}
