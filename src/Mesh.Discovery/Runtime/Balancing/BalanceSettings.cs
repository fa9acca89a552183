using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Runtime.Balancing;

/// <summary>All that decides how a destination's traffic is shared out, but for the endpoints.</summary>
internal sealed record BalanceSettings
{
    public BalanceMode Mode { get; init; }

    /// <summary>Who calls.</summary>
    public Locality Locality { get; init; } = Locality.Unknown;

    /// <summary>The caller's labels, with what its locality says.</summary>
    public Labels Labels { get; init; } = Labels.Empty;

    /// <summary>For <see cref="BalanceMode.Failover"/>.</summary>
    public LocalityLbConfig LocalityLb { get; init; } = new();

    /// <summary>For <see cref="BalanceMode.Distribute"/>: percent by pattern.</summary>
    public IReadOnlyDictionary<string, int> Targets { get; init; } = new Dictionary<string, int>();

    /// <summary>For <see cref="BalanceMode.ZoneAware"/>.</summary>
    public int MinClusterSize { get; init; }

    /// <summary>How many endpoints of a group are used at least; null for all.</summary>
    public int? ApertureSize { get; init; }

    /// <summary>The instances of the caller's own service.</summary>
    public Peers Peers { get; init; } = Peers.None;

    /// <summary>Whether the result depends on <see cref="Peers"/>.</summary>
    public bool UsesPeers => ApertureSize is not null || Mode == BalanceMode.ZoneAware;

    /// <summary>Whether an endpoint may be used at all: given shares leave out those that they do not name (Istio).</summary>
    public bool Admits(Endpoint endpoint)
    {
        if (Mode != BalanceMode.Distribute)
        {
            return true;
        }

        foreach (var pattern in Targets.Keys)
        {
            if (LocalityPattern.Matches(pattern, endpoint.Locality))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>What holds for a destination; null if there is nothing beside the weights of endpoints.</summary>
    /// <param name="balancer">What its rule says.</param>
    /// <param name="detectsOutliers">Whether outliers are detected.</param>
    /// <param name="context">What holds for all.</param>
    public static BalanceSettings? Of(LoadBalancerConfig? balancer, bool detectsOutliers, BalancingContext context)
    {
        var locality = balancer?.LocalityLbSetting ?? context.LocalityLb;
        var isOn = locality.Enabled ?? true;
        var mode = BalanceMode.None;
        IReadOnlyDictionary<string, int>? targets = null;
        if (balancer?.ZoneAware is { Enabled: true })
        {
            mode = context.Locality.Zone.Length > 0 ? BalanceMode.ZoneAware : BalanceMode.None;
        }
        else if (isOn && locality.Distribute.Count > 0)
        {
            targets = locality.Distribute
                .FirstOrDefault(entry => LocalityPattern.Matches(entry.From, context.Locality))?.To;
            mode = targets is null ? BalanceMode.None : BalanceMode.Distribute;
        }
        else if (isOn && (detectsOutliers || locality.Enabled == true)
            && (locality.FailoverPriority.Count > 0 ? context.Labels.Count > 0 : context.Locality.Region.Length > 0))
        {
            mode = BalanceMode.Failover;
        }

        var size = balancer?.Aperture?.Size;
        if (mode == BalanceMode.None && size is null)
        {
            return null;
        }

        var settings = new BalanceSettings
        {
            Mode = mode,
            Locality = context.Locality,
            Labels = context.Labels,
            LocalityLb = locality,
            Targets = targets ?? new Dictionary<string, int>(),
            MinClusterSize = balancer?.ZoneAware?.MinClusterSize ?? 0,
            ApertureSize = size,
        };
        return settings.UsesPeers ? settings with { Peers = context.Peers } : settings;
    }
}
