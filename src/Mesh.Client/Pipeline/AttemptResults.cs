using System.Net;
using Mesh.Discovery.Runtime.Resilience;

namespace Mesh.Client.Pipeline;

/// <summary>Tells what a response says of its endpoint.</summary>
internal static class AttemptResults
{
    public static AttemptResult Of(HttpResponseMessage? response) => response is null
        ? AttemptResult.NoResponse
        : (int)response.StatusCode switch
        {
            503 when IsOverload(response) => AttemptResult.Good,
            502 or 503 or 504 => AttemptResult.GatewayError,
            >= 500 => AttemptResult.ServerError,
            200 when response.Version.Major >= 2 => OfGrpc(response),
            _ => AttemptResult.Good,
        };

    /// <summary>
    /// A gRPC call that failed before its first message says so in its headers (trailers-only). The statuses stand for the
    /// HTTP ones that Envoy gives them; what the caller did wrong speaks for no endpoint.
    /// </summary>
    private static AttemptResult OfGrpc(HttpResponseMessage response) =>
        response.Headers.NonValidated.TryGetValues("grpc-status", out var status)
            ? status.ToString() switch
            {
                "14" when IsOverload(response) => AttemptResult.Good,
                "4" or "14" => AttemptResult.GatewayError,
                "2" or "13" or "15" => AttemptResult.ServerError,
                _ => AttemptResult.Good,
            }
            : AttemptResult.Good;

    /// <summary>An answer that speaks against the endpoint; it is often a quick one, and must not attract more.</summary>
    public static bool CannotServe(HttpResponseMessage response) =>
        (int)response.StatusCode >= 500 && response.StatusCode != HttpStatusCode.NotImplemented;

    /// <summary>Whether it answers the request, be it by "not found": a refusal for want of room or a failure is no reason to give up who is still at work.</summary>
    public static bool IsAnswer(HttpResponseMessage response) =>
        Of(response) == AttemptResult.Good && (int)response.StatusCode is not (429 or >= 500)
        && !(response.Headers.NonValidated.TryGetValues("grpc-status", out var status) && status.ToString() is "8" or "14");

    /// <summary>Whether the callee has not served it.</summary>
    public static bool HasFailed(HttpResponseMessage? response) =>
        response is null
        || (int)response.StatusCode >= 400
        || (response.Headers.NonValidated.TryGetValues("grpc-status", out var status) && status.ToString() != "0");

    /// <summary>
    /// The mesh in the callee refused it for want of room. Ejecting that endpoint would give its share to others that are as
    /// busy, and one after the other would go.
    /// </summary>
    private static bool IsOverload(HttpResponseMessage response) =>
        response.Headers.NonValidated.TryGetValues(Retry.NoRetryHeader, out var value) && value.ToString() == Retry.Overload;
}
