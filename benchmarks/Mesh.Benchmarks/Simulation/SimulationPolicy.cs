namespace Mesh.Benchmarks.Simulation;

/// <summary>A row of the table: how the mesh is configured. Everything that is not named is as it is by default.</summary>
/// <param name="Name">What the table calls it.</param>
/// <param name="Balancer">The load balancer.</param>
internal sealed record SimulationPolicy(string Name, string Balancer)
{
    /// <summary>The host that is called.</summary>
    public const string Service = "callee";

    private static readonly (string Key, string Value)[] s_outlier =
    [
        ("Destinations:callee:OutlierDetection:Consecutive5xxErrors", "5"),
        ("Destinations:callee:OutlierDetection:MaxEjectionPercent", "50"),
    ];

    private static readonly (string Key, string Value)[] s_retries =
    [
        ("Routes:callee:0:Retries:Attempts", "2"),
        ("Routes:callee:0:Retries:PerTryTimeout", "250ms"),
    ];

    /// <summary>Further keys of the section <c>Mesh</c>; retries are off unless they are among them.</summary>
    public (string Key, string Value)[] More { get; init; } = [];

    public static IReadOnlyList<SimulationPolicy> All { get; } =
    [
        new("RANDOM", "RANDOM"),
        new("ROUND_ROBIN", "ROUND_ROBIN"),
        new("LEAST_REQUEST", "LEAST_REQUEST"),
        new("PEAK_EWMA", "PEAK_EWMA"),
        new("LEAST_REQUEST+outlier", "LEAST_REQUEST") { More = s_outlier },
        new("PEAK_EWMA+hedging", "PEAK_EWMA") { More = [("Routes:callee:0:Hedging:Percentile", "95")] },
        new("PEAK_EWMA+retries", "PEAK_EWMA") { More = s_retries },
        new("PEAK_EWMA+retries+outlier", "PEAK_EWMA") { More = [.. s_retries, .. s_outlier] },
    ];

    /// <summary>As in appsettings, section <c>Mesh</c>.</summary>
    public Dictionary<string, string?> Settings()
    {
        var settings = new Dictionary<string, string?>
        {
            ["Mesh:Destinations:callee:LoadBalancer:Simple"] = Balancer,
            ["Mesh:Routes:callee:0:Route:0:Host"] = Service,
            ["Mesh:Routes:callee:0:Timeout"] = "1s",
            ["Mesh:Routes:callee:0:Retries:Attempts"] = "0",
        };
        foreach (var (key, value) in More)
        {
            settings["Mesh:" + key] = value;
        }

        return settings;
    }
}
