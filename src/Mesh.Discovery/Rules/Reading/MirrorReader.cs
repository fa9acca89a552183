namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads where copies of a route's requests go (Istio: <c>mirror</c> with its percentage, or <c>mirrors</c>).</summary>
internal static class MirrorReader
{
    /// <param name="route">The route.</param>
    /// <param name="defaultHost">The host of mirrors that name none; <see langword="null"/> if each must.</param>
    public static IReadOnlyList<MirrorConfig> Read(ObjectReader route, string? defaultHost)
    {
        var mirrors = new List<MirrorConfig>();
        var single = route.Object("mirror");
        var share = route.Find("mirrorPercentage")?.Percentage();
        if (route.Reading.Dialect == RuleDialect.Istio)
        {
            // Older spellings of whole numbers.
            var (camel, snake) = (route.Int("mirrorPercent", 0, 100), route.Int("mirror_percent", 0, 100));
            share ??= (camel ?? snake) is { } percent ? new Share(percent * 10_000) : null;
        }

        if (single is not null)
        {
            Add(mirrors, single.Location, ReadTarget(single, defaultHost), share, defaultHost);
            single.Done();
        }
        else if (route.CountOf("mirrorPercentage", "mirrorPercent", "mirror_percent") > 0)
        {
            route.Reading.Warn(
                route.Location, $"the percentage has no effect without '{route.Reading.Show("mirror")}'; those of "
                + $"'{route.Reading.Show("mirrors")}' have their own");
        }

        foreach (var mirror in route.Objects("mirrors"))
        {
            var flat = mirror.Reading.Dialect == RuleDialect.Configuration;
            var target = flat ? ReadTarget(mirror, defaultHost) : default;
            var destination = flat ? mirror.Object("destination") : mirror.Require("destination")?.Object();
            if (destination is not null)
            {
                var named = ReadTarget(destination, defaultHost);
                target = new Target(named.Host ?? target.Host, named.Subset ?? target.Subset, named.Port ?? target.Port);
                destination.Done();
            }

            Add(mirrors, mirror.Location, target, mirror.Find("percentage")?.Percentage(), defaultHost);
            mirror.Done();
        }

        route.AtMostOne("mirror", "mirrors");
        route.AtMostOne("mirrorPercentage", "mirrorPercent", "mirror_percent");
        return mirrors;
    }

    private static Target ReadTarget(ObjectReader destination, string? defaultHost) => new(
        (defaultHost is null ? destination.Require("host") : destination.Find("host"))?.Host(),
        destination.Text("subset"),
        RouteReader.Port(destination));

    /// <summary>Istio: without a percentage all requests are mirrored.</summary>
    private static void Add(List<MirrorConfig> mirrors, SourceLocation location, Target target, Share? share, string? defaultHost)
    {
        if ((target.Host ?? defaultHost) is { } host)
        {
            mirrors.Add(new MirrorConfig(host, target.Subset, target.Port, share ?? Share.All, location));
        }
    }

    private readonly record struct Target(string? Host, string? Subset, int? Port);
}
