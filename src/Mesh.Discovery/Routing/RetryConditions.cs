namespace Mesh.Discovery.Routing;

/// <summary>What a route retries on: the words of Istio's <c>retryOn</c>.</summary>
[Flags]
internal enum RetryConditions
{
    None = 0,

    /// <summary>No connection: the request was provably not sent.</summary>
    ConnectFailure = 1,

    /// <summary>The callee refused the stream before it did anything: provably not processed.</summary>
    RefusedStream = 2,

    /// <summary>The connection broke, or a try timed out, before a response.</summary>
    Reset = 4,

    /// <summary>Status 502, 503 or 504.</summary>
    GatewayError = 8,

    /// <summary>Any status from 500, and no response at all.</summary>
    ServerError = 16,

    /// <summary>Status 409.</summary>
    Retriable4xx = 32,

    /// <summary>One of the listed statuses.</summary>
    StatusCodes = 64,

    GrpcCancelled = 128,
    GrpcDeadlineExceeded = 256,
    GrpcInternal = 512,
    GrpcResourceExhausted = 1024,
    GrpcUnavailable = 2048,
    Grpc = GrpcCancelled | GrpcDeadlineExceeded | GrpcInternal | GrpcResourceExhausted | GrpcUnavailable,
}
