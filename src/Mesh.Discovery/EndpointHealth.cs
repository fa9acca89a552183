namespace Mesh.Discovery;

/// <summary>What a catalog says of an endpoint's health.</summary>
public enum EndpointHealth
{
    /// <summary>Takes traffic. The default.</summary>
    Healthy,

    /// <summary>Takes no traffic.</summary>
    Unhealthy,
}
