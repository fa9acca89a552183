namespace Mesh.Discovery;

/// <summary>Requests that the process serves: <c>Mesh:Inbound</c>.</summary>
public sealed class InboundOptions
{
    /// <summary>
    /// Whether a caller's deadline holds here: a request whose time is over is not served, one that is being served is
    /// cancelled when it is over, and calls made for it inherit what is left. Default true.
    /// </summary>
    /// <remarks>
    /// The time is taken from <c>x-envoy-expected-rq-timeout-ms</c> and <c>grpc-timeout</c>. Both are relative, so no two
    /// clocks are compared, which is why it can be on where Finagle's DeadlineFilter only watches at first.
    /// </remarks>
    public bool Deadlines { get; set; } = true;

    /// <summary>
    /// Whether callers may claim to be <c>critical</c> by <c>x-mesh-priority</c>. Default false: where strangers' headers get
    /// here they all would. That a request is <c>sheddable</c> is believed of everybody.
    /// </summary>
    public bool TrustPriority { get; set; }

    /// <summary>How many requests are served at a time.</summary>
    public InboundConcurrencyOptions Concurrency { get; } = new();
}
