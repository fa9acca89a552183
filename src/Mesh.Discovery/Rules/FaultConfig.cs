namespace Mesh.Discovery.Rules;

/// <summary>Failures on purpose (Istio: HTTPFaultInjection).</summary>
internal sealed record FaultConfig
{
    public required SourceLocation Location { get; init; }
    public FaultDelayConfig? Delay { get; init; }
    public FaultAbortConfig? Abort { get; init; }

    /// <summary>Whether a request may ask for a fault of its own by Envoy's headers. Default false.</summary>
    public bool HeaderControlled { get; init; }
}

/// <summary>A pause before the request is sent.</summary>
internal sealed record FaultDelayConfig(TimeSpan FixedDelay, Share Share);

/// <summary>An answer in place of the callee's; exactly one of both.</summary>
internal sealed record FaultAbortConfig(int? HttpStatus, int? GrpcStatus, Share Share);
