namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads when endpoints are ejected (Istio: OutlierDetection, and what Envoy has beyond it).</summary>
internal static class OutlierDetectionReader
{
    private static readonly TimeSpan s_shortest = TimeSpan.FromMilliseconds(1);

    /// <param name="outlier">The map.</param>
    /// <param name="defaults">What holds where it says nothing.</param>
    public static OutlierDetectionConfig Read(ObjectReader outlier, OutlierDetectionConfig defaults)
    {
        // Present in part is meant in whole: whoever gives a volume wants success rates, with Envoy's factor.
        var wantsSuccessRate = outlier.CountOf("successRateMinimumHosts", "successRateRequestVolume") > 0;
        var wantsFailurePercentage = outlier.CountOf("failurePercentageMinimumHosts", "failurePercentageRequestVolume") > 0;
        var result = defaults with
        {
            Consecutive5xxErrors = outlier.Int("consecutive5xxErrors") ?? defaults.Consecutive5xxErrors,
            ConsecutiveGatewayErrors = outlier.Int("consecutiveGatewayErrors") ?? defaults.ConsecutiveGatewayErrors,
            ConsecutiveLocalOriginFailures = outlier.Int("consecutiveLocalOriginFailures") ?? defaults.ConsecutiveLocalOriginFailures,
            SplitExternalLocalOriginErrors = outlier.Bool("splitExternalLocalOriginErrors") ?? defaults.SplitExternalLocalOriginErrors,
            Interval = outlier.Duration("interval", s_shortest) ?? defaults.Interval,
            BaseEjectionTime = outlier.Duration("baseEjectionTime", s_shortest) ?? defaults.BaseEjectionTime,
            MaxEjectionTime = outlier.Duration("maxEjectionTime", s_shortest) ?? defaults.MaxEjectionTime,
            MaxEjectionTimeJitter = outlier.Duration("maxEjectionTimeJitter") ?? defaults.MaxEjectionTimeJitter,
            MaxEjectionPercent = outlier.Int("maxEjectionPercent", 0, 100) ?? defaults.MaxEjectionPercent,
            MinHealthPercent = outlier.Int("minHealthPercent", 0, 100) ?? defaults.MinHealthPercent,
            SuccessRateStdevFactor = outlier.Int("successRateStdevFactor")
                ?? (wantsSuccessRate ? 1900 : defaults.SuccessRateStdevFactor),
            SuccessRateMinimumHosts = outlier.Int("successRateMinimumHosts", 1) ?? defaults.SuccessRateMinimumHosts,
            SuccessRateRequestVolume = outlier.Int("successRateRequestVolume", 1) ?? defaults.SuccessRateRequestVolume,
            FailurePercentageThreshold = outlier.Int("failurePercentageThreshold", 0, 100)
                ?? (wantsFailurePercentage ? 85 : defaults.FailurePercentageThreshold),
            FailurePercentageMinimumHosts = outlier.Int("failurePercentageMinimumHosts", 1) ?? defaults.FailurePercentageMinimumHosts,
            FailurePercentageRequestVolume = outlier.Int("failurePercentageRequestVolume", 1) ?? defaults.FailurePercentageRequestVolume,
        };
        if (outlier.Reading.Dialect != RuleDialect.Configuration && outlier.Find("consecutiveErrors") is { } old)
        {
            // Istio's deprecated spelling counted gateway errors.
            result = result with { ConsecutiveGatewayErrors = old.Int() ?? result.ConsecutiveGatewayErrors };
        }

        outlier.Done();
        if (outlier.CountOf("consecutiveLocalOriginFailures") > 0 && !result.SplitExternalLocalOriginErrors)
        {
            outlier.Reading.Warn(outlier.Location, outlier.Reading.Show("consecutiveLocalOriginFailures")
                + $" has no effect without {outlier.Reading.Show("splitExternalLocalOriginErrors")}: true");
        }

        return result;
    }
}
