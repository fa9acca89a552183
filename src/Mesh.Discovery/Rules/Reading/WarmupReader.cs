namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads how newcomers warm up (Istio: WarmupConfiguration, and the older <c>warmupDurationSecs</c>).</summary>
internal static class WarmupReader
{
    private const double MaxAggression = 1000;

    private static readonly TimeSpan s_shortest = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan s_longest = TimeSpan.FromDays(1);

    /// <summary>Null if there is none.</summary>
    public static WarmupConfig? Read(ObjectReader balancer)
    {
        WarmupConfig? result = null;
        if (balancer.Find("warmup")?.Object() is { } warmup)
        {
            var duration = warmup.Require("duration")?.Duration(s_shortest, s_longest);
            result = new WarmupConfig { Duration = duration ?? s_shortest };
            result = result with
            {
                MinimumPercent = warmup.Find("minimumPercent")?.Number(0, 100) ?? result.MinimumPercent,
                Aggression = warmup.Find("aggression")?.Number(1, MaxAggression) ?? result.Aggression,
            };
            warmup.Done();
        }

        // Istio's deprecated spelling.
        if (balancer.Reading.Dialect != RuleDialect.Configuration && balancer.Find("warmupDurationSecs") is { } old)
        {
            result ??= old.Duration(s_shortest, s_longest) is { } duration ? new WarmupConfig { Duration = duration } : null;
            balancer.AtMostOne("warmup", "warmupDurationSecs");
        }

        return result;
    }
}
