namespace Mesh.Client.Pipeline;

/// <summary>How an attempt failed, as far as it decides about another one.</summary>
internal enum AttemptFailure
{
    /// <summary>Nothing that another attempt would mend.</summary>
    Final,

    /// <summary>There was no connection, or it was closed before use: the request was provably not sent.</summary>
    Unsent,

    /// <summary>The callee refused the stream before it did anything (HTTP/2 REFUSED_STREAM).</summary>
    Refused,

    /// <summary>The connection broke before a response: it is not known what the callee has done.</summary>
    Reset,

    /// <summary>The attempt's own time was over.</summary>
    TimedOut,

    /// <summary>The caller gave up.</summary>
    Cancelled,

    /// <summary>The endpoint's connections were disposed, because it left between pick and send: nothing was sent.</summary>
    Disposed,

    /// <summary>The destination's breaker does not let it through: nothing was sent, and nobody is to blame.</summary>
    Rejected,

    /// <summary>The application's own pipeline kept it from being sent: final, and nothing that speaks of the endpoint.</summary>
    Withheld,
}

/// <summary>Tells failures apart by what the transport throws.</summary>
internal static class AttemptFailures
{
    /// <summary>RFC 9113, section 7.</summary>
    private const long RefusedStream = 0x7;

    private const string Transport = "System.Net.Http";

    /// <param name="exception">What the attempt threw.</param>
    /// <param name="hasExpired">Whether its time was over.</param>
    /// <param name="cancel">The caller's token.</param>
    public static AttemptFailure Classify(Exception exception, bool hasExpired, CancellationToken cancel) =>
        cancel.IsCancellationRequested ? AttemptFailure.Cancelled
        : hasExpired && exception is OperationCanceledException ? AttemptFailure.TimedOut
        : Classify(exception);

    private static AttemptFailure Classify(Exception exception) => exception switch
    {
        ObjectDisposedException => AttemptFailure.Disposed,
        CircuitOpenException => AttemptFailure.Rejected,
        PipelineRejectedException { WasSent: false } => AttemptFailure.Withheld,
        MeshRejectedException => AttemptFailure.Final,
        HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError
            or HttpRequestError.SecureConnectionError or HttpRequestError.ProxyTunnelError } => AttemptFailure.Unsent,

        // An HTTP/2 connection that ended before it could carry the request: the transport says so without error or cause. What
        // handlers of the application's own throw may look the same, but does not come from there.
        HttpRequestException { HttpRequestError: HttpRequestError.Unknown, InnerException: null, StatusCode: null, Source: Transport } => AttemptFailure.Unsent,
        HttpRequestException { InnerException: HttpProtocolException { ErrorCode: RefusedStream } } => AttemptFailure.Refused,
        HttpProtocolException { ErrorCode: RefusedStream } => AttemptFailure.Refused,
        HttpRequestException { HttpRequestError: HttpRequestError.ConfigurationLimitExceeded
            or HttpRequestError.VersionNegotiationError or HttpRequestError.UserAuthenticationError } => AttemptFailure.Final,
        HttpRequestException or IOException => AttemptFailure.Reset,

        // Nobody has cancelled: so says the transport when an HTTP/2 connection goes away under a request's body.
        OperationCanceledException => AttemptFailure.Reset,
        _ => AttemptFailure.Final,
    };
}
