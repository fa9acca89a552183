namespace Mesh.Discovery;

/// <summary>
/// How many requests a process serves at a time: <c>Mesh:Inbound:Concurrency</c>. The limit finds itself, between
/// <see cref="MinLimit"/> and <see cref="MaxLimit"/>: see <see cref="AdaptiveConcurrencyConfig"/>.
/// </summary>
public sealed class InboundConcurrencyOptions
{
    /// <summary>Whether requests over the limit are refused. Default <see cref="AdaptiveConcurrencyMode.Off"/>.</summary>
    public AdaptiveConcurrencyMode Mode { get; set; } = AdaptiveConcurrencyMode.Off;

    /// <summary>The limit is never less, 1 to 1000000. Default 3 (Envoy).</summary>
    public int MinLimit { get; set; } = 3;

    /// <summary>The limit is never more, 1 to 1000000. Default 1000 (Envoy).</summary>
    public int MaxLimit { get; set; } = 1000;

    /// <summary>How often the limit is thought over, 10 ms to 10 s. Default 250 ms.</summary>
    public TimeSpan Window { get; set; } = TimeSpan.FromMilliseconds(250);

    /// <summary>
    /// How long a request over the limit waits for a place at most, up to 1 min; while others have been waiting all along, a
    /// twentieth of it. Zero: none waits. Default 100 ms.
    /// </summary>
    public TimeSpan MaxWait { get; set; } = TimeSpan.FromMilliseconds(100);

    /// <summary>
    /// Paths that are never refused, with everything below them. Default: <c>/health</c>, <c>/healthz</c>, <c>/livez</c>,
    /// <c>/readyz</c>, <c>/alive</c>, <c>/grpc.health.v1.Health</c>. The mesh's own endpoints never are either.
    /// </summary>
    public IList<string> ExemptPaths { get; } = ["/health", "/healthz", "/livez", "/readyz", "/alive", "/grpc.health.v1.Health"];
}
