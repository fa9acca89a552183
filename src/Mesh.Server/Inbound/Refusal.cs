using System.Globalization;
using Mesh.Client.Pipeline;
using Microsoft.AspNetCore.Http;

namespace Mesh.Server.Inbound;

/// <summary>Why a request gets its answer from the mesh and not from the application, and that answer.</summary>
/// <param name="Reason">For the metric.</param>
/// <param name="Status">The HTTP status.</param>
/// <param name="GrpcStatus">The gRPC status.</param>
/// <param name="Text">For people.</param>
internal sealed record Refusal(string Reason, int Status, int GrpcStatus, string Text)
{
    public static readonly Refusal DeadlinePassed = new(
        "deadline-passed", StatusCodes.Status504GatewayTimeout, 4, "The caller's deadline had passed before the request was served.");

    public static readonly Refusal DeadlineExceeded = new(
        "deadline-exceeded", StatusCodes.Status504GatewayTimeout, 4, "The caller's deadline passed while the request was served.");

    /// <summary>Envoy answers the same: 503, and UNAVAILABLE to gRPC.</summary>
    public static readonly Refusal Overloaded = new(
        "overload", StatusCodes.Status503ServiceUnavailable, 14, "Overloaded: this instance serves as many requests as it can.");

    /// <summary>As Envoy answers, in all cases: which rule it was is nothing for the caller.</summary>
    public static readonly Refusal Denied = new("denied", StatusCodes.Status403Forbidden, 7, "RBAC: access denied");

    public static readonly Refusal PlaintextRefused = new(
        "plaintext", StatusCodes.Status403Forbidden, 7, "This port accepts mTLS only.");

    public static readonly Refusal MalformedClientCert = new(
        "malformed-client-cert", StatusCodes.Status400BadRequest, 3, "X-Forwarded-Client-Cert is malformed.");

    /// <summary>Envoy's status and text. What is wrong with the token is told to the log, not to whoever sent it.</summary>
    public static readonly Refusal BadToken = new(
        "authentication", StatusCodes.Status401Unauthorized, 16, "Jwt verification fails");

    /// <summary>Answers; for gRPC with everything in the headers (trailers-only). The response must not have started.</summary>
    public static Task AnswerAsync(HttpContext context, Refusal refusal)
    {
        var response = context.Response;
        response.Clear();
        response.Headers.CacheControl = "no-store";
        if (refusal == Overloaded)
        {
            // A second attempt would be one more, for others to be refused.
            response.Headers[Retry.NoRetryHeader] = Retry.Overload;
        }

        if (refusal == PlaintextRefused && HttpProtocol.IsHttp11(context.Request.Protocol))
        {
            response.Headers.Connection = "close";
        }

        if (refusal == BadToken)
        {
            response.Headers.WWWAuthenticate = "Bearer error=\"invalid_token\"";
        }

        if (GrpcMessages.IsGrpc(context.Request.ContentType))
        {
            response.StatusCode = StatusCodes.Status200OK;
            response.ContentType = GrpcMessages.ContentType;
            response.Headers["grpc-status"] = refusal.GrpcStatus.ToString(CultureInfo.InvariantCulture);
            response.Headers["grpc-message"] = refusal.Text;
            return Task.CompletedTask;
        }

        response.StatusCode = refusal.Status;
        response.ContentType = "text/plain; charset=utf-8";
        return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : response.WriteAsync(refusal.Text);
    }
}
