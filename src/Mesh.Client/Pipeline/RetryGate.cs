using Mesh.Client.Telemetry;
using Mesh.Discovery;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Runtime;
using Microsoft.Extensions.Logging;

namespace Mesh.Client.Pipeline;

/// <summary>Decides whether a failed attempt is followed by another one, and after what pause. Safe for concurrent use.</summary>
internal sealed partial class RetryGate(
    MeshRuntime runtime, MeshClientTelemetry telemetry, TimeProvider time, IRandomSource random, ILogger<MeshPipeline> logger)
{
    /// <summary>Linkerd: bodies above 64 KiB are not sent twice.</summary>
    public const long ReplayCap = 64 * 1024;

    /// <summary>Envoy: who asks for a longer pause gets no other attempt.</summary>
    private static readonly TimeSpan s_longestAskedPause = TimeSpan.FromSeconds(300);

    /// <param name="policy">The route's.</param>
    /// <param name="request">What was sent.</param>
    /// <param name="attempt">What became of it.</param>
    /// <param name="destination">Where it was sent to.</param>
    /// <param name="view">As the attempt saw it.</param>
    /// <param name="canLeave">Whether others can stand in for the destination.</param>
    /// <param name="deadline">When the whole request must be over.</param>
    /// <param name="retry">The attempts before; made here after the first one.</param>
    /// <returns>The pause before the next attempt; null if there is none.</returns>
    public TimeSpan? Next(
        RetryPolicy policy, HttpRequestMessage request, in FailedAttempt attempt, DestinationState destination, DestinationView view,
        bool canLeave, long deadline, ref Retry? retry)
    {
        var made = retry?.Attempt ?? 0;
        var isAllowed = made < policy.Attempts && (attempt.Response is { } response
            ? RetryDecision.Allows(policy, response, request)
            : RetryDecision.Allows(policy, attempt.Failure, request));
        if (!isAllowed || (!canLeave && view.Circuit is { Refuses: true }))
        {
            return null;
        }

        var pause = attempt.Failure == AttemptFailure.Unsent && made + 1 < view.Endpoints.Length + (view.Next?.Endpoints.Length ?? 0)
            ? TimeSpan.Zero
            : RetryDecision.Backoff(made + 1, random.NextDouble());
        if (attempt.Failure != AttemptFailure.Unsent && !RetryDecision.CanReplay(request.Content, ReplayCap))
        {
            Log.BodyNotReplayable(logger, request.Method.Method, destination.Name, ReplayCap);
            return null;
        }

        if (attempt.Response is { } answer && RetryDecision.AskedPause(answer, time.GetUtcNow()) is { } asked)
        {
            if (asked < TimeSpan.Zero || asked > s_longestAskedPause)
            {
                return null;
            }

            pause = asked > pause ? asked : pause;
        }

        var now = time.GetTimestamp();
        if (now >= deadline || (pause > TimeSpan.Zero && new Timestamps(time).After(now, pause) >= deadline))
        {
            return null;
        }

        // Last, because it takes what others could use.
        retry ??= new Retry();
        if (retry.TryBegin(destination.Retries, view.MaxRetries, attempt.WasSent, now, out var tell) is { } limit)
        {
            Refuse(destination, view, limit, tell);
            return null;
        }

        Log.Retrying(logger, destination.Name, attempt.Endpoints[^1].Id, attempt.Failure, made + 1);
        retry.Failed(attempt);
        return pause;
    }

    /// <summary>Says that there is no retry for want of budget; in the log only now and then, or an outage would fill it.</summary>
    public void Refuse(DestinationState destination, DestinationView view, string limit, bool tell)
    {
        if (limit == "RetryBudget")
        {
            runtime.Resilience.OutOfBudget(time.GetTimestamp());
        }

        telemetry.RetryRefused(destination.Name, limit);
        if (tell)
        {
            Log.RetryRefused(logger, destination.Name, limit, view.RetryBudget.Percent, view.RetryBudget.MinRetriesPerSecond, view.MaxRetries);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(201, LogLevel.Information, "{Method} to {Destination} is not tried again: its body cannot be sent twice (over {Cap} bytes, or not written to its end yet).")]
        public static partial void BodyNotReplayable(ILogger logger, string method, string destination, long cap);

        [LoggerMessage(202, LogLevel.Debug, "Attempt {Attempt} to {Destination} at {Endpoint} failed ({Failure}); trying again.")]
        public static partial void Retrying(ILogger logger, string destination, string endpoint, AttemptFailure failure, int attempt);

        [LoggerMessage(203, LogLevel.Warning, "{Destination} gets no more retries for now: {Limit} (budget {Percent} % of requests and {PerSecond}/s; at most {MaxRetries} at once). Callers get the failure itself.")]
        public static partial void RetryRefused(ILogger logger, string destination, string limit, double percent, int perSecond, int? maxRetries);
    }
}

/// <summary>An attempt that may be followed by another one.</summary>
/// <param name="Endpoints">Where it was sent to: to several if it was hedged.</param>
/// <param name="Response">The answer, if there was one.</param>
/// <param name="Failure">Otherwise how it failed.</param>
/// <param name="Error">And with what.</param>
internal readonly record struct FailedAttempt(
    IReadOnlyList<EndpointState> Endpoints, HttpResponseMessage? Response, AttemptFailure Failure, Exception? Error)
{
    public bool WasSent => Failure is not (AttemptFailure.Unsent or AttemptFailure.Refused);
}
