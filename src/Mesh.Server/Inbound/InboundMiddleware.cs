using Mesh.Client;
using Mesh.Client.Pipeline;
using Mesh.Discovery;
using Mesh.Server.Security;
using Mesh.Server.Security.Jwt;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Mesh.Server.Inbound;

/// <summary>
/// Everything that happens to a request before the application gets it.
/// </summary>
/// <remarks>
/// <para>Before it come <see cref="Security.PeerMiddleware"/>, which settles who the caller is, and the mesh's own endpoints.</para>
/// <para>The order, and why it is so:</para>
/// <list type="number">
/// <item>deadline and priority are read first: a request whose time is over costs nothing more, and what is over the limit
/// waits and is refused by them;</item>
/// <item>a place among the requests that are served at a time;</item>
/// <item>the deadline again, since waiting took time; from here on it cancels the request, until the response begins;</item>
/// <item>whom the request is made for, if there are rules about tokens (<see cref="JwtStage"/>): rules about who may do what ask
/// for it, and checking a signature is work that the limit counts;</item>
/// <item>authorization (<see cref="AuthorizationStage"/>): who is over the limit must not learn what rules say of him, and what they cost
/// is limited, too;</item>
/// <item>the application, in whose calls both go on (<see cref="MeshRequestContext"/>).</item>
/// </list>
/// <para>A stage whose header or option is not there costs a look. WebSockets and other tunnels are requests like any other until
/// the application accepts them: what their headers say is only a wish, which a client may utter with every request.</para>
/// </remarks>
internal sealed class InboundMiddleware
{
    private readonly RequestDelegate _next;
    private readonly InboundOptions _options;
    private readonly InboundDeadlines _deadlines;
    private readonly InboundAdmission? _admission;
    private readonly PathString[] _exempt;
    private readonly TimeProvider _time;
    private readonly Timestamps _timestamps;
    private readonly MeshServerTelemetry _telemetry;

    public InboundMiddleware(
        RequestDelegate next, MeshOptions options, InboundDeadlines deadlines, InboundAdmission admission, TimeProvider time, MeshServerTelemetry telemetry,
        JwtStage jwt, AuthorizationStage authorization)
    {
        _next = jwt.Before(context => authorization.InvokeAsync(context, next));
        _options = options.Inbound;
        _deadlines = deadlines;
        _admission = admission.IsOn ? admission : null;
        _exempt = [.. _options.Concurrency.ExemptPaths.Select(static path => new PathString(path))];
        _time = time;
        _timestamps = new Timestamps(time);
        _telemetry = telemetry;
    }

    public Task InvokeAsync(HttpContext context)
    {
        var headers = context.Request.Headers;
        var priority = headers.TryGetValue(PriorityHeader.Name, out var value) ? Priority(value) : RequestPriority.Default;
        var (answer, call) = _options.Deadlines ? InboundDeadlines.Timeouts(context.Request) : default;
        return answer is null && call is null && priority == RequestPriority.Default && _admission is null
            ? _next(context)
            : ServeAsync(context, answer, call, priority);
    }

    /// <summary>Asynchronous itself, so that what it makes current is gone when it returns.</summary>
    private async Task ServeAsync(HttpContext context, TimeSpan? answer, TimeSpan? call, RequestPriority priority)
    {
        if (answer is null && call is null && priority == RequestPriority.Default)
        {
            await AdmitAsync(context, null, priority);
            return;
        }

        var callDeadline = Deadline(call);
        var request = new MeshRequestContext(_time, Math.Min(Deadline(answer), callDeadline), priority, callDeadline);
        MeshRequestContext.Set(request);
        try
        {
            await (request.HasExpired ? RefuseAsync(context, Refusal.DeadlinePassed) : AdmitAsync(context, request, priority));
        }
        finally
        {
            request.End();
        }
    }

    private async Task AdmitAsync(HttpContext context, MeshRequestContext? request, RequestPriority priority)
    {
        if (_admission is null)
        {
            await RunAsync(context, request);
            return;
        }

        var admissionClass = AdmissionClass.Of(priority, IsRetry(context.Request));
        if (!_admission.TryEnter(admissionClass))
        {
            if (IsExempt(context.Request.Path))
            {
                _admission.Enter();
            }
            else if (!await _admission.WaitAsync(admissionClass, request?.Remaining, context.RequestAborted))
            {
                if (!context.RequestAborted.IsCancellationRequested)
                {
                    await RefuseAsync(context, Refusal.Overloaded);
                }

                return;
            }
        }

        await RunAdmittedAsync(context, request, _admission);
    }

    private async Task RunAdmittedAsync(HttpContext context, MeshRequestContext? request, InboundAdmission admission)
    {
        var place = new AdmissionPlace(admission, _time.GetTimestamp());
        if (IsStream(context.Request))
        {
            LeaveAsStream(context, request, place);
        }
        else if (MayBecomeTunnel(context.Request))
        {
            LeaveAsTunnel(context, place);
        }

        var hasFailed = true;
        try
        {
            await RunAsync(context, request);
            hasFailed = HasFailed(context, request);
        }
        finally
        {
            place.Leave(hasFailed);
        }
    }

    private Task RunAsync(HttpContext context, MeshRequestContext? request) =>
        request is { HasDeadline: true } ? _deadlines.ServeAsync(context, request, _next) : _next(context);

    private long Deadline(TimeSpan? timeout) => timeout is { } left
        ? _timestamps.Add(_time.GetTimestamp(), left)
        : MeshRequestContext.NoDeadline;

    private Task RefuseAsync(HttpContext context, Refusal refusal)
    {
        _telemetry.Refused(refusal);
        return Refusal.AnswerAsync(context, refusal);
    }

    /// <summary>Or nobody waits for it any more: then it ended sooner than if it had been served.</summary>
    private static bool HasFailed(HttpContext context, MeshRequestContext? request) =>
        context.Response.StatusCode >= 400
        || (context.Response.Headers.TryGetValue("grpc-status", out var status) && status != "0")
        || context.RequestAborted.IsCancellationRequested
        || request is { HasExpired: true };

    /// <summary>Its answer may go on for hours: it is served when that begins.</summary>
    private static bool IsStream(HttpRequest request) =>
        GrpcMessages.IsGrpc(request.ContentType)
        || (request.Headers.Accept is { Count: > 0 } accept && accept.ToString().Contains("text/event-stream", StringComparison.OrdinalIgnoreCase));

    private static void LeaveAsStream(HttpContext context, MeshRequestContext? request, AdmissionPlace place) => context.Response.OnStarting(() =>
    {
        // An error is a whole answer, and mostly a quick one.
        place.Leave(HasFailed(context, request));
        return Task.CompletedTask;
    });

    private static bool MayBecomeTunnel(HttpRequest request) =>
        HttpMethods.IsConnect(request.Method) || request.Headers.ContainsKey("Upgrade");

    /// <summary>From its acceptance on there is nothing to wait for; how long that took says nothing of other requests.</summary>
    private static void LeaveAsTunnel(HttpContext context, AdmissionPlace place) => context.Response.OnStarting(() =>
    {
        var status = context.Response.StatusCode;
        if (status == StatusCodes.Status101SwitchingProtocols || (HttpMethods.IsConnect(context.Request.Method) && status is >= 200 and < 300))
        {
            place.Leave();
        }

        return Task.CompletedTask;
    });

    private static bool IsRetry(HttpRequest request) =>
        request.Headers.TryGetValue(Retry.AttemptHeader, out var attempt) && attempt != "1";

    private bool IsExempt(PathString path)
    {
        foreach (var exempt in _exempt)
        {
            if (path.StartsWithSegments(exempt, StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Anybody may make himself less important; nobody more so, unless callers are trusted.</summary>
    private RequestPriority Priority(StringValues value)
    {
        var priority = PriorityHeader.Parse(value.Count == 1 ? value[0] : null);
        return priority == RequestPriority.Critical && !_options.TrustPriority ? RequestPriority.Default : priority;
    }
}
