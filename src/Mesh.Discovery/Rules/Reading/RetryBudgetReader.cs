namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads how many retries a destination gets (Istio: RetryBudget).</summary>
internal static class RetryBudgetReader
{
    private static readonly TimeSpan s_shortest = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_longest = TimeSpan.FromMinutes(1);

    /// <param name="budget">The map.</param>
    /// <param name="defaults">What holds where it says nothing.</param>
    public static RetryBudgetConfig Read(ObjectReader budget, RetryBudgetConfig defaults)
    {
        var result = defaults with
        {
            Percent = budget.Find("percent")?.Number(0, 100) ?? defaults.Percent,
            MinRetriesPerSecond = budget.Int("minRetriesPerSecond") ?? defaults.MinRetriesPerSecond,
            MinRetryConcurrency = budget.Int("minRetryConcurrency") ?? defaults.MinRetryConcurrency,
            Window = budget.Find("window")?.Duration(s_shortest, s_longest) ?? defaults.Window,
        };
        budget.Done();
        return result;
    }
}
