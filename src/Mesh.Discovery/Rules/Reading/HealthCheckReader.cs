namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads active health checks; Istio has none, so its documents have them where its <c>outlierDetection</c> is.</summary>
internal static class HealthCheckReader
{
    private static readonly TimeSpan s_shortestInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_shortestTimeout = TimeSpan.FromMilliseconds(1);

    public static HealthCheckConfig Read(ObjectReader check)
    {
        var defaults = new HealthCheckConfig();
        var result = defaults with
        {
            Type = check.Find("type")?.OneOf(
                ("Http", HealthCheckType.Http), ("Grpc", HealthCheckType.Grpc), ("Tcp", HealthCheckType.Tcp)) ?? defaults.Type,
            Path = Path(check) ?? defaults.Path,
            GrpcService = check.Text("grpcService") ?? defaults.GrpcService,
            Interval = check.Duration("interval", s_shortestInterval) ?? defaults.Interval,
            Timeout = check.Duration("timeout", s_shortestTimeout) ?? defaults.Timeout,
            UnhealthyThreshold = check.Int("unhealthyThreshold", 1) ?? defaults.UnhealthyThreshold,
            HealthyThreshold = check.Int("healthyThreshold", 1) ?? defaults.HealthyThreshold,
            MinHealthPercent = check.Int("minHealthPercent", 0, 100) ?? defaults.MinHealthPercent,
        };
        check.Done();
        NoEffect(check, "path", result.Type == HealthCheckType.Http, "Http");
        NoEffect(check, "grpcService", result.Type == HealthCheckType.Grpc, "Grpc");
        return result;
    }

    private static string? Path(ObjectReader check)
    {
        if (check.Text("path") is not { } path)
        {
            return null;
        }

        if (path.StartsWith('/') && Uri.IsWellFormedUriString(path, UriKind.Relative))
        {
            return path;
        }

        check.Find("path")!.Value.Refuse("is not a path", "a path that begins with '/', with or without a query");
        return null;
    }

    private static void NoEffect(ObjectReader check, string key, bool hasEffect, string type)
    {
        if (!hasEffect && check.CountOf(key) > 0)
        {
            check.Reading.Warn(check.Location, $"{check.Reading.Show(key)} has no effect: it is for checks of the type {type}");
        }
    }
}
