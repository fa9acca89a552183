using System.Diagnostics;
using Mesh.Client.Telemetry;
using Mesh.Discovery;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Runtime.Resilience;

namespace Mesh.Client.Pipeline;

/// <summary>Finds out where a request goes when what was drawn for it has no endpoint. Safe for concurrent use.</summary>
internal sealed class DestinationFinder(MeshRuntime runtime, MeshOptions options, TimeProvider time)
{
    /// <summary>As far as a timer reaches.</summary>
    private static readonly TimeSpan s_longestWait = TimeSpan.FromDays(24);

    /// <summary>
    /// Where to, now that what was drawn has no endpoint: one that stands in for it, or itself after a wait for its first
    /// endpoints, but not beyond the request's own time.
    /// </summary>
    public async Task<DestinationState> FindAsync(
        RouteArm arm, HttpRequestMessage request, Activity? activity, long deadline, CancellationToken cancel)
    {
        foreach (var other in arm.Failover ?? [])
        {
            await runtime.FollowAsync(other.Destination.Service, cancel).ConfigureAwait(false);
        }

        // Before the first view of all catalogs an empty destination is no reason to leave it.
        var port = request.RequestUri!.Port;
        if ((runtime.Synced.IsCompleted || arm.Destination.ForPort(port).View.IsPanicking) && FailOver(arm, port, activity) is { } present)
        {
            return present;
        }

        var destination = arm.Destination.ForPort(port);
        using var limit = deadline == Timestamps.Never ? new CancellationTokenSource() : new CancellationTokenSource(Left(deadline), time);
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
        try
        {
            if (arm.Failover is not null && !runtime.Synced.IsCompleted)
            {
                await runtime.WaitForSyncAsync(options.Outbound.FirstViewTimeout, waiting.Token).ConfigureAwait(false);
            }

            if (FailOver(arm, port, activity) is null)
            {
                await runtime.FollowAsync(destination.Service.Name, waiting.Token).ConfigureAwait(false);
                await runtime.WaitForEndpointsAsync(destination, waiting.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException e) when (!cancel.IsCancellationRequested)
        {
            throw new DeadlineExceededException(
                $"{request.Method} {request.RequestUri}: {destination.Name} had no endpoint within the request's own time.", e);
        }

        if (FailOver(arm, port, activity) is { } found)
        {
            return found;
        }

        var all = destination.Service.Endpoints.Length;
        var known = all == 0 ? "the service has none at all" : $"the service has {all}, none of which fits";
        known += arm.Failover is { } others
            ? $", and neither has any of {string.Join(", ", others.Select(static other => other.Destination.Name))}"
            : "";
        throw new NoHealthyEndpointException(
            destination.Name,
            $"{request.Method} {request.RequestUri}: the destination {destination.Name} has no endpoint that may take traffic ({known}).");
    }

    /// <summary>Where to, now that the breaker of what was drawn does not let calls through: one that stands in for it.</summary>
    /// <exception cref="CircuitOpenException">There is none.</exception>
    public async Task<DestinationState> StandInAsync(
        RouteArm arm, DestinationCircuit circuit, HttpRequestMessage request, Activity? activity, long deadline, Exception? last,
        CancellationToken cancel)
    {
        if (arm.Failover is not null)
        {
            var found = await FindAsync(arm, request, activity, deadline, cancel).ConfigureAwait(false);
            if (!Refuses(found))
            {
                return found;
            }
        }

        throw Errors.CircuitOpen(circuit, request, last);
    }

    /// <summary>
    /// The arm's own destination if it can serve, else the first that stands in for it and can; one that panics only if none
    /// else can, one whose breaker does not let calls through only if it is the own and nobody else can; null if none can.
    /// </summary>
    private static DestinationState? FailOver(RouteArm arm, int port, Activity? activity)
    {
        var own = arm.Destination.ForPort(port);
        if (CanServe(own) && !own.View.IsPanicking && !Refuses(own))
        {
            return own;
        }

        DestinationState? panicking = null;
        foreach (var other in arm.Failover ?? [])
        {
            var standIn = other.Destination.ForPort(port);
            if (!CanServe(standIn) || Refuses(standIn))
            {
                continue;
            }

            if (!standIn.View.IsPanicking)
            {
                activity?.SetTag(MeshClientTelemetry.DestinationTag, standIn.Name);
                return standIn;
            }

            panicking ??= standIn;
        }

        return CanServe(own) && !(panicking is not null && Refuses(own)) ? own : panicking;

        static bool CanServe(DestinationState destination) => destination.View is { } view && (view.Endpoints.Length > 0 || view.IsPassThrough);
    }

    private static bool Refuses(DestinationState destination) => destination.View.Circuit is { Refuses: true };

    private TimeSpan Left(long deadline)
    {
        var left = time.GetElapsedTime(time.GetTimestamp(), deadline);
        return left <= TimeSpan.Zero ? TimeSpan.Zero : left > s_longestWait ? s_longestWait : left;
    }
}
