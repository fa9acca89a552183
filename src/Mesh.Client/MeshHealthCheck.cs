using Mesh.Discovery.Runtime;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Mesh.Client;

/// <summary>Healthy once rules are in use and every catalog has told its first full view.</summary>
internal sealed class MeshHealthCheck(MeshRuntime runtime) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(runtime.Synced.IsCompletedSuccessfully
            ? HealthCheckResult.Healthy()
            : new HealthCheckResult(context.Registration.FailureStatus, runtime.Unsynced is { Count: > 0 } waiting
                ? $"The mesh waits for the first view of {string.Join(", ", waiting)}."
                : "The mesh waits for its first rules."));
}
