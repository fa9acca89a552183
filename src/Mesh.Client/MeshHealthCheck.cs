using Mesh.Discovery.Runtime;
using Mesh.Discovery.Security;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Mesh.Client;

/// <summary>
/// Healthy once rules are in use and every catalog has told its first full view; degraded while the process is to have a
/// certificate and has none that is valid.
/// </summary>
internal sealed class MeshHealthCheck(MeshRuntime runtime, MeshCertificates certificates) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(runtime.Synced.IsCompletedSuccessfully
            ? OfCertificate()
            : new HealthCheckResult(context.Registration.FailureStatus, runtime.Unsynced is { Count: > 0 } waiting
                ? $"The mesh waits for the first view of {string.Join(", ", waiting)}."
                : "The mesh waits for its first rules."));

    private HealthCheckResult OfCertificate() =>
        certificates is { IsOn: true, Current: null } ? HealthCheckResult.Degraded($"The mesh waits for the first certificate from {certificates.Source!.Name}.")
        : certificates.HasExpired ? HealthCheckResult.Degraded($"The certificate of this process has expired at {certificates.Current!.Set.NotAfter:u}.")
        : HealthCheckResult.Healthy();
}
