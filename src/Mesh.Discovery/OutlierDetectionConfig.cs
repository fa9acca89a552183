namespace Mesh.Discovery;

/// <summary>
/// When an endpoint that answers badly is left out for a while: of one destination (Istio: <c>outlierDetection</c> of a
/// DestinationRule), or of all whose rules say nothing (<see cref="OutboundOptions.OutlierDetection"/>). Immutable.
/// </summary>
/// <remarks>
/// Istio's fields and defaults but for <see cref="MinHealthPercent"/>; those that only Envoy has are named as in Envoy. A
/// response counts when its headers are there. At most <see cref="MaxEjectionPercent"/> of the endpoints are ejected at a
/// time, but one of three or more always may be, and never the last one.
/// </remarks>
public sealed record OutlierDetectionConfig
{
    /// <summary>Ejects after so many responses of 500 and above in a row; 0: never. Default 5. Without a response, too, unless <see cref="SplitExternalLocalOriginErrors"/>.</summary>
    public int Consecutive5xxErrors { get; init; } = 5;

    /// <summary>Ejects after so many responses of 502, 503 and 504 in a row; 0 (default): never.</summary>
    public int ConsecutiveGatewayErrors { get; init; }

    /// <summary>Ejects after so many attempts in a row without a response; 0: never. Default 5. Only if <see cref="SplitExternalLocalOriginErrors"/>.</summary>
    public int ConsecutiveLocalOriginFailures { get; init; } = 5;

    /// <summary>
    /// Whether attempts without a response (no connection, broken, timed out) are counted by themselves. Default false: they
    /// count as responses of 503.
    /// </summary>
    public bool SplitExternalLocalOriginErrors { get; init; }

    /// <summary>
    /// How often success rates and failure percentages are looked at; an endpoint that behaves for so long has one of its
    /// ejections forgiven. Default 10 s.
    /// </summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The first ejection lasts so long, the second one twice as long, and so on. Default 30 s.</summary>
    public TimeSpan BaseEjectionTime { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>No ejection lasts longer, unless <see cref="BaseEjectionTime"/> is longer. Default 300 s (Envoy).</summary>
    public TimeSpan MaxEjectionTime { get; init; } = TimeSpan.FromSeconds(300);

    /// <summary>At most so much is added to an ejection at random, so that endpoints do not return together. Default: none (Envoy).</summary>
    public TimeSpan MaxEjectionTimeJitter { get; init; }

    /// <summary>The share of the destination's endpoints that may be ejected at a time, 0 to 100. Default 10.</summary>
    public int MaxEjectionPercent { get; init; } = 10;

    /// <summary>
    /// Below this share of healthy endpoints no ejection counts: the destination panics. 0 turns that off. Default 50
    /// (Envoy's panic threshold); in Istio documents 0, as there.
    /// </summary>
    public int MinHealthPercent { get; init; } = 50;

    /// <summary>
    /// Ejects endpoints whose success rate in an interval is below the mean of all by this many thousandths of the standard
    /// deviation; 0 (default): never. Envoy's value is 1900.
    /// </summary>
    public int SuccessRateStdevFactor { get; init; }

    /// <summary>Success rates are compared if so many endpoints have had enough requests. Default 5 (Envoy).</summary>
    public int SuccessRateMinimumHosts { get; init; } = 5;

    /// <summary>As many requests in an interval are enough for a success rate. Default 100 (Envoy).</summary>
    public int SuccessRateRequestVolume { get; init; } = 100;

    /// <summary>Ejects endpoints of which so many percent of an interval's requests failed; 0 (default): never. Envoy's value is 85.</summary>
    public int FailurePercentageThreshold { get; init; }

    /// <summary>Failure percentages are looked at if so many endpoints have had enough requests. Default 5 (Envoy).</summary>
    public int FailurePercentageMinimumHosts { get; init; } = 5;

    /// <summary>As many requests in an interval are enough for a failure percentage. Default 50 (Envoy).</summary>
    public int FailurePercentageRequestVolume { get; init; } = 50;

    /// <summary>Whether success rates or failure percentages are looked at.</summary>
    internal bool Sweeps => SuccessRateStdevFactor > 0 || FailurePercentageThreshold > 0;

    /// <summary>Whether anything can lead to an ejection.</summary>
    internal bool IsActive => MaxEjectionPercent > 0
        && (Consecutive5xxErrors > 0 || ConsecutiveGatewayErrors > 0
            || (SplitExternalLocalOriginErrors && ConsecutiveLocalOriginFailures > 0) || Sweeps);
}
