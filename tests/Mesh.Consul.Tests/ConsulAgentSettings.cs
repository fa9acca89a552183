namespace Mesh.Consul.Tests;

/// <summary>What a <see cref="ConsulAgent"/> is started with.</summary>
public sealed record ConsulAgentSettings
{
    /// <summary>
    /// A server with a data directory, whose state outlives a kill. Otherwise an agent in development mode: faster to
    /// start, and empty after each.
    /// </summary>
    public bool Persistent { get; init; }

    public string Datacenter { get; init; } = "dc1";

    public string NodeName { get; init; } = "test-node";

    /// <summary>
    /// Switches ACLs on with a deny default. This is the token that may do everything, and which
    /// <see cref="ConsulAgent.HttpClient"/> and the agent itself use; it has to be a UUID for Consul from 1.11 on.
    /// </summary>
    public string? ManagementToken { get; init; }

    /// <summary>
    /// Whether there is a TLS listener too, <see cref="ConsulAgent.SecureAddress"/>. Its certificate is named in
    /// <see cref="Configuration"/> (<c>cert_file</c>, <c>key_file</c>, <c>ca_file</c>).
    /// </summary>
    public bool Tls { get; init; }

    /// <summary>More of the agent's configuration, as the text of a JSON file. It wins over everything else.</summary>
    public string? Configuration { get; init; }
}
