using Mesh.Client;
using Mesh.Client.Pipeline;
using Microsoft.AspNetCore.Http;

namespace Mesh.Server.Inbound;

/// <summary>Holds requests to the time that their callers wait for them.</summary>
/// <remarks>
/// <para>They wait for the response to begin: reading it may take as long as it takes, so the limit ends there.</para>
/// <para>What a gRPC client has set in <c>grpc-timeout</c> holds for the whole call. gRPC's server watches that itself, and ends
/// the call as gRPC wants it; it is refused here when its time is over, but not cancelled.</para>
/// </remarks>
internal sealed class InboundDeadlines(AttemptTimeouts timeouts, TimeProvider time, MeshServerTelemetry telemetry)
{
    /// <summary>What ASP.NET's exception handlers answer to a cancelled request.</summary>
    private const int ClientClosedRequest = 499;

    /// <summary>Timers of calls count in steps of the system's clock, and may be early by one.</summary>
    private static readonly TimeSpan s_clockStep = TimeSpan.FromMilliseconds(16);

    /// <summary>The smallest of what the headers say, for the answer and for a whole gRPC call; null if they say nothing.</summary>
    public static (TimeSpan? Answer, TimeSpan? Call) Timeouts(HttpRequest request)
    {
        var headers = request.Headers;
        TimeSpan? timeout = null;
        if (headers.TryGetValue(DeadlineHeaders.ExpectedTimeout, out var values))
        {
            foreach (var value in values)
            {
                timeout = Smaller(timeout, DeadlineHeaders.ParseMilliseconds(value));
            }
        }

        if (!headers.TryGetValue(DeadlineHeaders.GrpcTimeout, out values))
        {
            return (timeout, null);
        }

        TimeSpan? call = null;
        foreach (var value in values)
        {
            call = Smaller(call, DeadlineHeaders.ParseGrpc(value));
        }

        return GrpcMessages.IsGrpc(request.ContentType) ? (timeout, call) : (Smaller(timeout, call), null);
    }

    /// <summary>Runs the application, unless the time is over, and only as long as it is not.</summary>
    public async Task ServeAsync(HttpContext context, MeshRequestContext request, RequestDelegate next)
    {
        var now = time.GetTimestamp();
        if (now >= request.Deadline)
        {
            telemetry.Refused(Refusal.DeadlinePassed);
            await Refusal.AnswerAsync(context, Refusal.DeadlinePassed);
            return;
        }

        if (request.Deadline == request.CallDeadline)
        {
            await next(context);
            return;
        }

        var original = context.RequestAborted;
        var deadline = request.Deadline;
        var timeout = timeouts.Rent(deadline, now, original);
        context.RequestAborted = timeout.Token;
        context.Response.OnStarting(
            static state =>
            {
                var (timeout, request) = (Tuple<AttemptTimeout, MeshRequestContext>)state;
                if (timeout.TryStop())
                {
                    request.Answered();
                }

                return Task.CompletedTask;
            },
            Tuple.Create(timeout, request));
        var isLate = false;
        try
        {
            await next(context);

            // gRPC's server makes a status of its own of what the cancellation did to the handler.
            isLate = timeout.HasExpired && (context.Response.StatusCode == ClientClosedRequest || GrpcMessages.IsGrpc(context.Request.ContentType));
        }
        catch (Exception e) when (
            (e is DeadlineExceededException ? IsOver(deadline, s_clockStep) : e is OperationCanceledException && IsOver(deadline, default))
            && !original.IsCancellationRequested && !context.Response.HasStarted)
        {
            isLate = true;
        }
        finally
        {
            // The application may have handed the token to work that goes on; another request's deadline must not cancel that.
            timeouts.Return(timeout, canBeReused: false);
            context.RequestAborted = original;
        }

        if (isLate && !context.Response.HasStarted && !original.IsCancellationRequested)
        {
            telemetry.Refused(Refusal.DeadlineExceeded);
            await Refusal.AnswerAsync(context, Refusal.DeadlineExceeded);
        }
    }

    /// <summary>By the clock: the limit itself fires up to a tick late, while a call for the request has a timer of its own.</summary>
    private bool IsOver(long deadline, TimeSpan slack) =>
        time.GetTimestamp() + (long)(slack.TotalSeconds * time.TimestampFrequency) >= deadline;

    private static TimeSpan? Smaller(TimeSpan? one, TimeSpan? other) => other is null || one <= other ? one : other;
}
