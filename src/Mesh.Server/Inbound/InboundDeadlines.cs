using Mesh.Client;
using Mesh.Client.Pipeline;
using Microsoft.AspNetCore.Http;

namespace Mesh.Server.Inbound;

/// <summary>Holds requests to the time that their callers wait for them.</summary>
/// <remarks>
/// gRPC's server watches its own deadline, and ends the call as gRPC wants it; so a call with <c>grpc-timeout</c> is refused
/// here when its time is over, but not cancelled.
/// </remarks>
internal sealed class InboundDeadlines(AttemptTimeouts timeouts, TimeProvider time, MeshServerTelemetry telemetry)
{
    /// <summary>What ASP.NET's exception handlers answer to a cancelled request.</summary>
    private const int ClientClosedRequest = 499;

    /// <summary>The smallest of what the headers say; null if they say nothing.</summary>
    public static TimeSpan? Timeout(IHeaderDictionary headers)
    {
        TimeSpan? timeout = null;
        if (headers.TryGetValue(DeadlineHeaders.ExpectedTimeout, out var values))
        {
            foreach (var value in values)
            {
                timeout = Smaller(timeout, DeadlineHeaders.ParseMilliseconds(value));
            }
        }

        if (headers.TryGetValue(DeadlineHeaders.GrpcTimeout, out values))
        {
            foreach (var value in values)
            {
                timeout = Smaller(timeout, DeadlineHeaders.ParseGrpc(value));
            }
        }

        return timeout;
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

        var original = context.RequestAborted;
        if (context.Request.Headers.ContainsKey(DeadlineHeaders.GrpcTimeout) && Refusal.IsGrpc(context.Request))
        {
            await next(context);
            return;
        }

        var timeout = timeouts.Rent(request.Deadline, now, original);
        context.RequestAborted = timeout.Token;
        var isLate = false;
        try
        {
            await next(context);
            isLate = timeout.HasExpired && context.Response.StatusCode == ClientClosedRequest;
        }
        catch (Exception e) when (
            e is OperationCanceledException or DeadlineExceededException
            && timeout.HasExpired && !original.IsCancellationRequested && !context.Response.HasStarted)
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

    private static TimeSpan? Smaller(TimeSpan? one, TimeSpan? other) => other is null || one <= other ? one : other;
}
