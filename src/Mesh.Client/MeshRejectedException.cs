namespace Mesh.Client;

/// <summary>
/// The mesh itself refused a request, or gave it up: nothing in it came from the callee. It is an
/// <see cref="HttpRequestException"/>, so that existing handling of failed requests covers it.
/// </summary>
public abstract class MeshRejectedException : HttpRequestException
{
    private protected MeshRejectedException(string message, HttpRequestError error, Exception? inner = null)
        : base(error, message, inner)
    {
    }
}

/// <summary>The destination has no endpoint that may take traffic.</summary>
public sealed class NoHealthyEndpointException : MeshRejectedException
{
    internal NoHealthyEndpointException(string destination, string message)
        : base(message, HttpRequestError.ConnectionError) => Destination = destination;

    /// <summary>The destination: <c>reviews.prod/v2</c>.</summary>
    public string Destination { get; }
}

/// <summary>
/// A limit of the destination is reached (Istio: connectionPool; Envoy: circuit breaker), or its circuit breaker is open, so
/// nothing was sent.
/// </summary>
public sealed class CircuitOpenException : MeshRejectedException
{
    internal CircuitOpenException(string destination, string limit, int value, string request, Exception? last)
        : base($"{request}: the destination {destination} has reached its limit {limit} = {value}; nothing was sent.",
            HttpRequestError.Unknown, last)
    {
        Destination = destination;
        Limit = limit;
        Value = value;
    }

    internal CircuitOpenException(string destination, string limit, int value, TimeSpan? retryAfter, string message, Exception? last)
        : base(message, HttpRequestError.Unknown, last)
    {
        Destination = destination;
        Limit = limit;
        Value = value;
        RetryAfter = retryAfter;
    }

    /// <summary>The destination: <c>reviews.prod/v2</c>.</summary>
    public string Destination { get; }

    /// <summary>
    /// The limit: <c>MaxRequests</c>, <c>MaxPendingRequests</c> or <c>AdaptiveConcurrency</c>; <c>FailureRatio</c> if the breaker is open
    /// because too many calls have failed, <c>State</c> if an operator holds it open.
    /// </summary>
    public string Limit { get; }

    /// <summary>The limit's value: a number of requests, for <c>FailureRatio</c> in percent, for <c>State</c> 0.</summary>
    public int Value { get; }

    /// <summary>
    /// How long the breaker stays open before it lets a call through; null for limits, while such a call is under way, and while an
    /// operator holds it open.
    /// </summary>
    public TimeSpan? RetryAfter { get; }
}

/// <summary>
/// A resilience pipeline of the application, attached by <c>ResiliencePipeline</c> of a rule, ended the request by itself: its
/// timeout, its rate limiter, its breaker. The inner exception is the pipeline's own (Polly's <c>ExecutionRejectedException</c>,
/// for example).
/// </summary>
public sealed class PipelineRejectedException : MeshRejectedException
{
    internal PipelineRejectedException(string pipeline, string message, bool wasSent, Exception? inner)
        : base(message, HttpRequestError.Unknown, inner)
    {
        Pipeline = pipeline;
        WasSent = wasSent;
    }

    /// <summary>The name under which the pipeline is registered.</summary>
    public string Pipeline { get; }

    /// <summary>Whether it has let the request through at all.</summary>
    internal bool WasSent { get; }
}

/// <summary>The service has routes, and none of them matches the request (Envoy: 404 with the flag NR).</summary>
public sealed class NoRouteException : MeshRejectedException
{
    internal NoRouteException(string service, string message)
        : base(message, HttpRequestError.Unknown) => Service = service;

    /// <summary>The service: <c>reviews.prod</c>.</summary>
    public string Service { get; }
}

/// <summary>
/// A Consul intention denies this service to call the other one, so the call was not made. It is a courtesy of the caller:
/// enforcing intentions is the callee's part.
/// </summary>
public sealed class IntentionDeniedException : MeshRejectedException
{
    internal IntentionDeniedException(string source, string destination, string intention, string request)
        : base($"{request}: the Consul intention '{intention}' denies '{source}' to call {destination}; no call was made.",
            HttpRequestError.Unknown)
    {
        CallingService = source;
        Destination = destination;
        Intention = intention;
    }

    /// <summary>The service that was denied: this process.</summary>
    public string CallingService { get; }

    /// <summary>The service that was called: <c>reviews.prod</c>.</summary>
    public string Destination { get; }

    /// <summary>The intention that denies, as source and destination: <c>web → *</c>.</summary>
    public string Intention { get; }
}

/// <summary>The mesh does not know the host, and <c>Mesh:Outbound:UnknownHosts</c> is <c>Refuse</c>.</summary>
public sealed class UnknownHostException : MeshRejectedException
{
    internal UnknownHostException(string host)
        : base($"The mesh does not know the host '{host}', and Mesh:Outbound:UnknownHosts is Refuse. Declare it by a "
            + "ServiceEntry or in Mesh:Services, or set UnknownHosts to Allow.", HttpRequestError.NameResolutionError) => Host = host;

    /// <summary>The host that was called.</summary>
    public string Host { get; }
}

/// <summary>The time for the request is over; the inner exception is a <see cref="TimeoutException"/>.</summary>
public sealed class DeadlineExceededException : MeshRejectedException
{
    internal DeadlineExceededException(string message, Exception? last)
        : base(message, HttpRequestError.Unknown, new TimeoutException(message, last))
    {
    }
}
