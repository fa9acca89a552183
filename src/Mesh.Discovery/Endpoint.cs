namespace Mesh.Discovery;

/// <summary>One address of a service, as a catalog describes it. Immutable, compared by value.</summary>
public sealed record Endpoint
{
    /// <summary>Scheme, host and port: <c>http://10.1.2.3:8080</c>. <c>https</c> makes the client speak TLS to it.</summary>
    public required Uri Address { get; init; }

    /// <summary>What subsets select by. Default: none.</summary>
    public Labels Labels { get; init; } = Labels.Empty;

    /// <summary>Its share of traffic relative to the others. Default 1; 0 takes traffic only if all others have 0 too.</summary>
    public int Weight { get; init; } = 1;

    /// <summary>Where it runs. Default: unknown.</summary>
    public Locality Locality { get; init; } = Locality.Unknown;

    /// <summary>Whether it takes traffic. Default: <see cref="EndpointHealth.Healthy"/>.</summary>
    public EndpointHealth Health { get; init; }

    /// <summary>The service's port that this address answers for; <see langword="null"/> (default) answers for all.</summary>
    public int? ServicePort { get; init; }

    /// <summary>
    /// Whether mTLS with a certificate of the mesh is spoken there (Istio: the label <c>security.istio.io/tlsMode: istio</c>). Default
    /// false.
    /// </summary>
    public bool SpeaksMtls { get; init; }

    /// <summary>What else Consul says of it, for subsets that are filters over that.</summary>
    internal Consul.ConsulInstance? Consul { get; init; }
}
