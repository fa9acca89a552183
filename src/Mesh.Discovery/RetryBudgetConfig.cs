namespace Mesh.Discovery;

/// <summary>
/// How many retries a destination gets, so that an outage does not multiply its load: of one destination (Istio:
/// <c>retryBudget</c> of a DestinationRule), or of all whose rules say nothing (<see cref="OutboundOptions.RetryBudget"/>).
/// Immutable.
/// </summary>
/// <remarks>
/// Finagle's and Linkerd's budget: in any <see cref="Window"/> as many retries as <see cref="Percent"/> of the requests of
/// that time, and <see cref="MinRetriesPerSecond"/> beside.
/// </remarks>
public sealed record RetryBudgetConfig
{
    /// <summary>Retries in percent of requests, 0 to 100. Default 20.</summary>
    public double Percent { get; init; } = 20;

    /// <summary>As many retries are possible however few requests there are. Default 10; 0 in Istio documents, which name a concurrency instead.</summary>
    public int MinRetriesPerSecond { get; init; } = 10;

    /// <summary>
    /// While fewer retries than this are under way, one more is always possible (Istio's and Envoy's floor). Default 0; 3 in
    /// Istio documents, as there.
    /// </summary>
    public int MinRetryConcurrency { get; init; }

    /// <summary>The time over which requests and retries are counted, 1 s to 1 min. Default 10 s.</summary>
    public TimeSpan Window { get; init; } = TimeSpan.FromSeconds(10);
}
