using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Runtime.Resilience;

/// <summary>Asks an endpoint whether it is well; the client's part, because it has the connections.</summary>
internal interface IEndpointProber
{
    /// <returns>What is wrong with it; null if it is well. Never throws but for <paramref name="cancel"/>.</returns>
    Task<string?> ProbeAsync(EndpointState endpoint, HealthCheckConfig check, CancellationToken cancel);
}
