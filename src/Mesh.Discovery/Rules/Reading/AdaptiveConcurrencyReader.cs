namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads a limit that finds itself.</summary>
internal static class AdaptiveConcurrencyReader
{
    public const int MaxLimit = 1_000_000;

    private static readonly TimeSpan s_shortest = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(10);

    /// <param name="map">The map.</param>
    /// <param name="defaults">What holds where it says nothing.</param>
    public static AdaptiveConcurrencyConfig Read(ObjectReader map, AdaptiveConcurrencyConfig defaults)
    {
        var result = defaults with
        {
            Mode = map.Find("mode")?.OneOf(
                ("Off", AdaptiveConcurrencyMode.Off),
                ("Shadow", AdaptiveConcurrencyMode.Shadow),
                ("Enforce", AdaptiveConcurrencyMode.Enforce)) ?? defaults.Mode,
            MinLimit = map.Int("minLimit", 1, MaxLimit) ?? defaults.MinLimit,
            MaxLimit = map.Int("maxLimit", 1, MaxLimit) ?? defaults.MaxLimit,
            Window = map.Find("window")?.Duration(s_shortest, s_longest) ?? defaults.Window,
        };
        if (result.MinLimit > result.MaxLimit)
        {
            map.Error($"{map.Reading.Show("minLimit")} {result.MinLimit} is above {map.Reading.Show("maxLimit")} {result.MaxLimit}");
        }

        map.Done();
        return result;
    }
}
