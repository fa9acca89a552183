using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Mesh.Server.Registration;

/// <summary>Fails once the process is leaving, for readiness probes made of ASP.NET Core's own health checks.</summary>
internal sealed class DrainHealthCheck(DrainState drain) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(drain.IsDraining
            ? new HealthCheckResult(context.Registration.FailureStatus, "The process is leaving.")
            : HealthCheckResult.Healthy());
}
