namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads a route's hedging; Istio has none, so its documents have it where its <c>retries</c> are.</summary>
internal static class HedgingReader
{
    private const int MaxAttempts = 5;

    private static readonly TimeSpan s_shortest = TimeSpan.FromMilliseconds(1);

    public static HedgingConfig? Read(ObjectReader? hedging)
    {
        if (hedging is null)
        {
            return null;
        }

        var defaults = new HedgingConfig { Location = hedging.Location };
        var result = defaults with
        {
            Delay = hedging.Duration("delay", s_shortest),
            Percentile = hedging.Find("percentile")?.Number(50, 99.99) ?? defaults.Percentile,
            Attempts = hedging.Int("attempts", 1, MaxAttempts) ?? defaults.Attempts,
            MaxExtraPercent = hedging.Find("maxExtraPercent")?.Number(0, 100) ?? defaults.MaxExtraPercent,
            AnyMethod = hedging.Bool("anyMethod") ?? defaults.AnyMethod,
        };
        hedging.Done();
        hedging.AtMostOne("delay", "percentile");
        return result;
    }
}
