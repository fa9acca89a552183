using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Mesh.Client.Pipeline;
using Mesh.Discovery;
using Mesh.Discovery.Runtime;
using Mesh.Server.Registration;
using Microsoft.AspNetCore.Http;

namespace Mesh.Server.Admin;

/// <summary>
/// Answers <c>/mesh/health</c>, <c>/mesh/ready</c>, <c>/mesh/config</c> and <c>/mesh/endpoints</c>, and asks callers to
/// close their HTTP/1.1 connections while the process leaves. All other requests go straight on.
/// </summary>
/// <remarks>
/// The first middleware of all but <see cref="Security.PeerMiddleware"/>: one before it could rewrite the peer's address, on which <see cref="AdminGuard"/> relies.
/// </remarks>
internal sealed class MeshMiddleware(
    RequestDelegate next, MeshOptions options, DrainState drain, MeshReport report, MeshRuntime runtime, AdminGuard guard)
{
    private const string Prefix = "/mesh/";

    public Task InvokeAsync(HttpContext context)
    {
        if (drain.IsDraining && HttpProtocol.IsHttp11(context.Request.Protocol))
        {
            context.Response.Headers.Connection = "close";
        }

        if (runtime.Resilience.IsOutOfBudget)
        {
            context.Response.OnStarting(static state => SayNoRetry((HttpResponse)state), context.Response);
        }

        var path = context.Request.Path.Value;
        return path is not null && path.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase)
            ? AnswerAsync(context, path[Prefix.Length..].ToLowerInvariant())
            : next(context);
    }

    /// <summary>
    /// What this process could not get by its own retries, its callers shall not ask for again: else each layer of a chain
    /// would multiply the load of the last one. A gRPC call that failed before its first message says so in its headers, and
    /// one that failed later is not retried by anybody.
    /// </summary>
    private static Task SayNoRetry(HttpResponse response)
    {
        if (response.StatusCode >= 500 || (response.Headers.TryGetValue("grpc-status", out var status) && status != "0"))
        {
            response.Headers.TryAdd(Retry.NoRetryHeader, "1");
        }

        return Task.CompletedTask;
    }

    private Task AnswerAsync(HttpContext context, string name)
    {
        var isAdmin = name is "config" or "endpoints";
        if (!(isAdmin ? options.Admin.Enabled : name is "health" or "ready"))
        {
            return next(context);
        }

        var response = context.Response;
        response.Headers.CacheControl = "no-store";
        if (!HttpMethods.IsGet(context.Request.Method) && !HttpMethods.IsHead(context.Request.Method))
        {
            response.Headers.Allow = "GET, HEAD";
            return WriteTextAsync(
                context, StatusCodes.Status405MethodNotAllowed, $"/mesh/{name} answers GET and HEAD only.");
        }

        if (isAdmin && guard.Refusal(context) is { } reason)
        {
            return WriteTextAsync(
                context,
                StatusCodes.Status403Forbidden,
                $"Refused: {reason}. /mesh/{name} is for this machine, and for callers with mTLS that Mesh:Admin:Identities names.");
        }

        switch (name)
        {
            case "health":
                return WriteTextAsync(context, StatusCodes.Status200OK, "healthy");
            case "ready":
                var readiness = report.Readiness();
                var status = readiness.Ready ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
                return WriteJsonAsync(context, status, readiness, MeshReportJson.Default.ReadinessReport);
            case "config":
                return WriteJsonAsync(context, 200, report.Config(), MeshReportJson.Default.ConfigReport);
            default:
                return WriteJsonAsync(context, 200, report.Endpoints(), MeshReportJson.Default.EndpointsReport);
        }
    }

    private static Task WriteTextAsync(HttpContext context, int status, string text)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : context.Response.WriteAsync(text);
    }

    private static Task WriteJsonAsync<T>(HttpContext context, int status, T value, JsonTypeInfo<T> type)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json; charset=utf-8";
        return HttpMethods.IsHead(context.Request.Method)
            ? Task.CompletedTask
            : JsonSerializer.SerializeAsync(context.Response.Body, value, type, context.RequestAborted);
    }
}
