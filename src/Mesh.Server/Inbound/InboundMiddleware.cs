using Mesh.Client;
using Mesh.Client.Pipeline;
using Mesh.Discovery;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Mesh.Server.Inbound;

/// <summary>
/// Everything that happens to a request before the application gets it.
/// </summary>
/// <remarks>
/// <para>The order, and why it is so:</para>
/// <list type="number">
/// <item>deadline and priority are read first: a request whose time is over costs nothing more, and what is over the limit
/// waits and is refused by them;</item>
/// <item>a place among the requests that are served at a time;</item>
/// <item>the deadline again, since waiting took time; from here on it cancels the request;</item>
/// <item>the application, in whose calls both go on (<see cref="MeshRequestContext"/>).</item>
/// </list>
/// <para>A stage whose header or option is not there costs a look. WebSockets and CONNECT have no answer to wait for, and
/// are left alone.</para>
/// </remarks>
internal sealed class InboundMiddleware
{
    private readonly RequestDelegate _next;
    private readonly InboundOptions _options;
    private readonly InboundDeadlines _deadlines;
    private readonly TimeProvider _time;

    public InboundMiddleware(
        RequestDelegate next, MeshOptions options, InboundDeadlines deadlines, TimeProvider time)
    {
        _next = next;
        _options = options.Inbound;
        _deadlines = deadlines;
        _time = time;
    }

    public Task InvokeAsync(HttpContext context)
    {
        var headers = context.Request.Headers;
        var hasPriority = headers.TryGetValue(PriorityHeader.Name, out var priority);
        var timeout = _options.Deadlines ? InboundDeadlines.Timeout(headers) : null;
        return (timeout is null && !hasPriority) || IsTunnel(context.Request)
            ? _next(context)
            : ServeAsync(context, timeout, hasPriority ? Priority(priority) : RequestPriority.Default);
    }

    private async Task ServeAsync(HttpContext context, TimeSpan? timeout, RequestPriority priority)
    {
        var now = _time.GetTimestamp();
        var request = new MeshRequestContext(
            _time,
            timeout is { } left ? MeshRequestContext.DeadlineAfter(_time, now, left) : MeshRequestContext.NoDeadline,
            priority);
        MeshRequestContext.Set(request);
        if (request.HasDeadline)
        {
            await _deadlines.ServeAsync(context, request, _next);
        }
        else
        {
            await _next(context);
        }
    }

    /// <summary>Anybody may make himself less important; nobody more so, unless callers are trusted.</summary>
    private RequestPriority Priority(StringValues value)
    {
        var priority = PriorityHeader.Parse(value.Count == 1 ? value[0] : null);
        return priority == RequestPriority.Critical && !_options.TrustPriority ? RequestPriority.Default : priority;
    }

    private static bool IsTunnel(HttpRequest request) => HttpMethods.IsConnect(request.Method) || request.Headers.ContainsKey("Upgrade");
}
