using System.Collections;
using System.Globalization;
using System.Net.Http.Json;
using Mesh.Discovery.Routing;

namespace Mesh.Client.Pipeline;

/// <summary>Whether a failed attempt may be followed by another one. Pure.</summary>
internal static class RetryDecision
{
    /// <summary>Envoy: base interval 25 ms, at most ten times that, full jitter.</summary>
    private const double BaseSeconds = 0.025;

    public static bool Allows(RetryPolicy policy, AttemptFailure failure, HttpRequestMessage request)
    {
        var conditions = policy.Conditions;
        return failure switch
        {
            AttemptFailure.Unsent => conditions.HasFlag(RetryConditions.ConnectFailure),
            AttemptFailure.Refused => conditions.HasFlag(RetryConditions.RefusedStream),
            AttemptFailure.Reset or AttemptFailure.TimedOut =>
                conditions.HasFlag(RetryConditions.Reset) && (policy.AnyMethod || IsIdempotent(request)),
            _ => false,
        };
    }

    public static bool Allows(RetryPolicy policy, HttpResponseMessage response, HttpRequestMessage request)
    {
        var conditions = policy.Conditions;
        var status = (int)response.StatusCode;
        var wanted = status switch
        {
            >= 500 => conditions.HasFlag(RetryConditions.ServerError)
                || (status is 502 or 503 or 504 && conditions.HasFlag(RetryConditions.GatewayError)),
            409 => conditions.HasFlag(RetryConditions.Retriable4xx),
            200 => (conditions & RetryConditions.Grpc) != 0 && IsRetriableGrpc(conditions, response),
            _ => false,
        };
        if (!wanted && conditions.HasFlag(RetryConditions.StatusCodes))
        {
            wanted = Array.IndexOf(policy.Statuses, status) >= 0;
        }

        return wanted && (policy.AnyMethod || IsIdempotent(request)) && !response.Headers.NonValidated.Contains(Retry.NoRetryHeader);
    }

    /// <summary>The pause before attempt <paramref name="attempt"/> (the first retry is 1): none while there is another endpoint and nothing was sent.</summary>
    public static TimeSpan Backoff(int attempt, double random) =>
        TimeSpan.FromSeconds(BaseSeconds * Math.Min(1 << Math.Min(attempt - 1, 8), 10) * random);

    /// <summary>
    /// The pause that a response asks for: <c>Retry-After</c> (RFC 9110, section 10.2.3), or gRPC's
    /// <c>grpc-retry-pushback-ms</c>, in which anything but a number from zero forbids another attempt (gRFC A6). Negative: none
    /// is wanted; null: it says nothing.
    /// </summary>
    public static TimeSpan? AskedPause(HttpResponseMessage response, DateTimeOffset now)
    {
        if (response.Headers.NonValidated.TryGetValues("grpc-retry-pushback-ms", out var pushback))
        {
            return int.TryParse(pushback.ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out var milliseconds)
                ? TimeSpan.FromMilliseconds(milliseconds)
                : TimeSpan.FromTicks(-1);
        }

        return response.Headers.NonValidated.Contains("Retry-After") && response.Headers.RetryAfter is { } retryAfter
            ? retryAfter.Delta ?? (retryAfter.Date is { } date && date > now ? date - now : TimeSpan.Zero)
            : null;
    }

    /// <summary>RFC 9110, section 9.2.2, or a request that carries its own key.</summary>
    public static bool IsIdempotent(HttpRequestMessage request)
    {
        var method = request.Method;
        return method == HttpMethod.Get || method == HttpMethod.Head || method == HttpMethod.Put || method == HttpMethod.Delete
            || method == HttpMethod.Options || method == HttpMethod.Trace
            || request.Headers.NonValidated.Contains("Idempotency-Key");
    }

    /// <summary>
    /// Whether the body can be sent a second time: there is none, or it is in memory, or a stream that can seek, or was recorded
    /// to its end; at most <paramref name="cap"/> bytes; or JSON, which has no length and is written anew. Anything else may be
    /// consumed, and some contents then send nothing without a word.
    /// </summary>
    public static bool CanReplay(HttpContent? content, long cap) => content switch
    {
        null => true,
        ByteArrayContent or ReadOnlyMemoryContent => content.Headers.ContentLength <= cap,

        // Written anew from its value each time; a sequence that is not a collection may give its items only once.
        JsonContent { Value: not IEnumerable or ICollection or string } => true,

        _ when RecordedBody.Of(content) is { } recorded => recorded.CanReplay,

        // A length may have been set by hand, so the stream itself is asked.
        StreamContent => content.Headers.ContentLength <= cap && content.ReadAsStream().CanSeek,
        _ => false,
    };

    /// <summary>A gRPC call that failed before its first message says so in its headers (trailers-only).</summary>
    private static bool IsRetriableGrpc(RetryConditions conditions, HttpResponseMessage response)
    {
        if (!response.Headers.NonValidated.TryGetValues("grpc-status", out var status))
        {
            return false;
        }

        var condition = status.ToString() switch
        {
            "1" => RetryConditions.GrpcCancelled,
            "4" => RetryConditions.GrpcDeadlineExceeded,
            "8" => RetryConditions.GrpcResourceExhausted,
            "13" => RetryConditions.GrpcInternal,
            "14" => RetryConditions.GrpcUnavailable,
            _ => RetryConditions.None,
        };
        return condition != RetryConditions.None && conditions.HasFlag(condition);
    }
}
