using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Runtime.Balancing;

namespace Mesh.Server.Admin;

/// <summary>How a destination's traffic is shared out where the weights of endpoints do not say all.</summary>
internal sealed record BalanceReport
{
    /// <summary><c>failover</c>, <c>distribute</c> or <c>zoneAware</c>; absent if localities do not count.</summary>
    public string? Mode { get; init; }

    /// <summary>How many endpoints are used at least, of how many callers' parts.</summary>
    public int? ApertureSize { get; init; }

    /// <summary>How many instances of the own service are known; absent if it does not matter.</summary>
    public int? Peers { get; init; }

    /// <summary>In order of preference where there is one.</summary>
    public required IReadOnlyList<BalanceGroupReport> Groups { get; init; }

    public required IReadOnlyList<BalanceShareReport> Endpoints { get; init; }

    public static BalanceReport? Of(DestinationView view) => view.Balance is not { } balance ? null : new BalanceReport
    {
        Mode = balance.Balance.Settings?.Mode switch
        {
            BalanceMode.Failover => "failover",
            BalanceMode.Distribute => "distribute",
            BalanceMode.ZoneAware => "zoneAware",
            _ => null,
        },
        ApertureSize = balance.Balance.Settings?.ApertureSize,
        Peers = balance.Balance.Settings is { UsesPeers: true } settings ? settings.Peers.Count : null,
        Groups = [.. balance.Balance.Groups.Select(static group =>
            new BalanceGroupReport(group.Name, Percent(group.Share), group.Usable, group.Members.Count))],
        Endpoints = [.. balance.Endpoints.Select((endpoint, i) => new BalanceShareReport(
            endpoint.Id, balance.Balance.Groups[balance.Groups[i]].Name, Percent(balance.Shares[i]))
        {
            Warmth = balance.Warmths[i] < 1 ? Percent(balance.Warmths[i]) : null,
        })],
    };

    private static double Percent(double part) => Math.Round(part * 100, 3);
}

/// <summary>How newcomers warm up, if they do.</summary>
internal sealed record WarmupReport(TimeSpan Duration, double MinimumPercent, double Aggression)
{
    public static WarmupReport? Of(LoadBalancerConfig? balancer) => balancer is { Warmup: { } warmup, ConsistentHash: null }
        ? new WarmupReport(warmup.Duration, warmup.MinimumPercent, warmup.Aggression)
        : null;
}

/// <param name="Name">A priority, the localities of one pattern, a zone, or all.</param>
/// <param name="Percent">Its part of the traffic.</param>
/// <param name="Usable">How many of its endpoints may take traffic.</param>
/// <param name="Endpoints">How many it has.</param>
internal sealed record BalanceGroupReport(string Name, double Percent, int Usable, int Endpoints);

/// <param name="Endpoint">Host and port.</param>
/// <param name="Group">The group that it belongs to.</param>
/// <param name="Percent">Its part of the traffic: the effective weight.</param>
internal sealed record BalanceShareReport(string Endpoint, string Group, double Percent)
{
    /// <summary>How much of its weight counts while it is new.</summary>
    public double? Warmth { get; init; }
}
