namespace Mesh.Discovery.Runtime.Balancing;

/// <summary>
/// Shares a destination's traffic out among its endpoints: the only place where weights meet.
/// </summary>
/// <remarks>
/// <para>effective weight = share of the group × the endpoint's part of the group's weight × its part within the aperture ×
/// its warmth.</para>
/// <para>Groups come from localities: priorities, given shares, or zones; without these there is one. Within a group the
/// endpoints keep the ratio of their weights. Warmth multiplies last and is not made up for within the group, so a locality
/// that consists of newcomers warms up too.</para>
/// <para>A pure function. What it costs is paid when a view is made, never by a pick.</para>
/// </remarks>
internal static class Balancer
{
    /// <param name="candidates">All endpoints of the destination, also those that are not usable.</param>
    /// <param name="settings">Null: weights and warm-up alone.</param>
    /// <param name="isPanicking">
    /// Whether health is ignored: all that are usable are used, wherever they are (Envoy), but only where they may be.
    /// </param>
    public static Balance Weigh(
        IReadOnlyList<BalanceCandidate> candidates, BalanceSettings? settings, bool isPanicking = false)
    {
        var mode = settings?.Mode ?? BalanceMode.None;
        if (isPanicking && mode != BalanceMode.Distribute)
        {
            mode = BalanceMode.None;
        }

        var groups = Group(candidates, mode, settings);
        switch (mode)
        {
            case BalanceMode.Failover:
                ShareByPriority(groups);
                break;
            case BalanceMode.Distribute:
                ShareAsGiven(groups, settings!.Targets);
                break;
            case BalanceMode.ZoneAware:
                ShareByZone(candidates, groups, settings!);
                break;
            default:
                groups[0].Share = groups[0].Usable > 0 ? 1 : 0;
                break;
        }

        var weighsNothing = WeighsNothing(candidates);
        var weights = new double[candidates.Count];
        foreach (var group in groups)
        {
            if (group.Share <= 0)
            {
                continue;
            }

            var total = 0.0;
            foreach (var index in group.Members)
            {
                weights[index] = !candidates[index].IsUsable ? 0
                    : weighsNothing ? 1
                    : Math.Max(0, candidates[index].Endpoint.Weight);
            }

            if (settings?.ApertureSize is { } size && !isPanicking)
            {
                Narrow(candidates, group, weights, weighsNothing, size, settings);
            }

            foreach (var index in group.Members)
            {
                total += weights[index];
            }

            foreach (var index in group.Members)
            {
                weights[index] = total > 0 ? group.Share * weights[index] / total * candidates[index].Warmth : 0;
            }
        }

        return new Balance(settings, groups, weights);
    }

    /// <summary>
    /// Whether the usable endpoints of all priorities together can take all the traffic, so that nobody needs those that are
    /// not (Envoy: the normalized total availability is 100 %).
    /// </summary>
    public static bool IsCovered(IReadOnlyList<BalanceCandidate> candidates, BalanceSettings settings) =>
        settings.Mode == BalanceMode.Failover
        && Group(candidates, BalanceMode.Failover, settings).Sum(static group => group.Availability) >= 1;

    private static List<BalanceGroup> Group(
        IReadOnlyList<BalanceCandidate> candidates, BalanceMode mode, BalanceSettings? settings)
    {
        if (mode == BalanceMode.None)
        {
            return [Collect(new BalanceGroup("all"), candidates, static (_, _) => true)];
        }

        if (mode == BalanceMode.Distribute)
        {
            return
            [
                .. settings!.Targets.Keys.Select(pattern => Collect(
                    new BalanceGroup(pattern), candidates,
                    (_, endpoint) => LocalityPattern.Matches(pattern, endpoint.Locality))),
            ];
        }

        if (mode == BalanceMode.ZoneAware)
        {
            var own = ZoneOf(settings!.Locality);
            var zones = candidates.Select(static candidate => ZoneOf(candidate.Endpoint.Locality)).ToArray();
            return
            [
                .. zones.Distinct().OrderBy(zone => zone == own ? 0 : 1).ThenBy(static zone => zone, StringComparer.Ordinal)
                    .Select(zone => Collect(new BalanceGroup(zone), candidates, (index, _) => zones[index] == zone)),
            ];
        }

        // Istio numbers priorities without gaps.
        var priorities = candidates.Select(candidate => Priority(candidate.Endpoint, settings!)).ToArray();
        return
        [
            .. priorities.Distinct().Order().Select((priority, number) => Collect(
                new BalanceGroup($"priority {number}"), candidates, (index, _) => priorities[index] == priority)),
        ];
    }

    private static BalanceGroup Collect(
        BalanceGroup group, IReadOnlyList<BalanceCandidate> candidates, Func<int, Endpoint, bool> belongs)
    {
        for (var i = 0; i < candidates.Count; i++)
        {
            if (belongs(i, candidates[i].Endpoint))
            {
                group.Members.Add(i);
                group.Usable += candidates[i].IsUsable ? 1 : 0;
            }
        }

        return group;
    }

    /// <summary>Istio: labels in common count first, then, if they are not given or regions are, how near it is.</summary>
    private static int Priority(Endpoint endpoint, BalanceSettings settings)
    {
        var labels = settings.LocalityLb.FailoverPriority;
        var priority = 0;
        for (var i = 0; i < labels.Count; i++)
        {
            var (key, wanted) = labels[i].Split('=', 2) is [var name, var value]
                ? (name, value)
                : (labels[i], settings.Labels.TryGetValue(labels[i], out var own) ? own : null);
            if (BalancingContext.Find(endpoint, key) != wanted)
            {
                priority = labels.Count - i;
                break;
            }
        }

        return labels.Count > 0 && settings.LocalityLb.Failover.Count == 0
            ? priority
            : (priority * 5) + Distance(settings.Locality, endpoint.Locality, settings.LocalityLb.Failover);
    }

    private static int Distance(Locality own, Locality other, IReadOnlyList<LocalityFailover> failover)
    {
        if (own.Region == other.Region)
        {
            return own.Zone != other.Zone ? 2 : own.SubZone != other.SubZone ? 1 : 0;
        }

        return failover.FirstOrDefault(entry => entry.From == own.Region) is { } entry && entry.To != other.Region ? 4 : 3;
    }

    /// <summary>Envoy: each priority takes what it can, the next one what is left.</summary>
    private static void ShareByPriority(List<BalanceGroup> groups)
    {
        var available = Math.Min(1, groups.Sum(static group => group.Availability));
        var left = 1.0;
        foreach (var group in groups)
        {
            group.Share = available > 0 ? Math.Min(left, group.Availability / available) : 0;
            left = Math.Max(0, left - group.Share);
        }
    }

    private static void ShareAsGiven(List<BalanceGroup> groups, IReadOnlyDictionary<string, int> targets)
    {
        var total = groups.Sum(group => targets[group.Name] * group.Availability);
        foreach (var group in groups)
        {
            group.Share = total > 0 ? targets[group.Name] * group.Availability / total : 0;
        }
    }

    /// <summary>
    /// Envoy: if the own zone's part of the endpoints is no less than its part of the callers, it serves them alone; else it
    /// serves as many as make load even, and zones with endpoints to spare serve the others.
    /// </summary>
    private static void ShareByZone(
        IReadOnlyList<BalanceCandidate> candidates, List<BalanceGroup> groups, BalanceSettings settings)
    {
        var own = ZoneOf(settings.Locality);
        var callers = settings.Peers.CountBy(static peer => ZoneOf(peer.Locality));
        var weights = groups.ConvertAll(group => group.Members.Sum(index =>
            candidates[index].IsUsable ? (double)Math.Max(0, candidates[index].Endpoint.Weight) : 0));
        var total = weights.Sum();
        if (PartOfCallers(own) <= 0 || total <= 0 || candidates.Count < settings.MinClusterSize)
        {
            Merge(groups);
            return;
        }

        var spare = new double[groups.Count];
        var stays = 0.0;
        for (var i = 0; i < groups.Count; i++)
        {
            var part = weights[i] / total;
            if (groups[i].Name == own)
            {
                stays = Math.Min(1, part / PartOfCallers(own));
                groups[i].Share = stays;
            }
            else
            {
                spare[i] = Math.Max(0, part - PartOfCallers(groups[i].Name));
            }
        }

        var allSpare = spare.Sum();
        for (var i = 0; i < groups.Count && stays < 1; i++)
        {
            groups[i].Share += allSpare > 0 ? (1 - stays) * spare[i] / allSpare : 0;
        }

        double PartOfCallers(string zone) => callers.GetValueOrDefault(zone) / (double)Math.Max(1, settings.Peers.Count);
    }

    private static void Merge(List<BalanceGroup> groups)
    {
        var all = new BalanceGroup("all") { Usable = groups.Sum(static group => group.Usable) };
        all.Members.AddRange(groups.SelectMany(static group => group.Members));
        all.Share = all.Usable > 0 ? 1 : 0;
        groups.Clear();
        groups.Add(all);
    }

    /// <summary>Leaves of each usable endpoint what lies within the caller's part of the ring.</summary>
    private static void Narrow(
        IReadOnlyList<BalanceCandidate> candidates, BalanceGroup group, double[] weights, bool weighsNothing, int size,
        BalanceSettings settings)
    {
        // Ejected ones stay on the ring, as only this caller knows of them; unhealthy ones are known to all.
        var ring = group.Members.FindAll(index => candidates[index].Endpoint.Health == EndpointHealth.Healthy)
            .OrderBy(index => StableHash.Of(candidates[index].Endpoint.Address.Authority))
            .ThenBy(index => candidates[index].Endpoint.Address.Authority, StringComparer.Ordinal).ToArray();
        var lengths = Array.ConvertAll(ring, index => weighsNothing ? 1 : Math.Max(0, candidates[index].Endpoint.Weight));
        var (caller, callers) = settings.Peers.Place(peer => SharesView(peer, settings));
        var parts = Aperture.Parts(
            lengths, Array.ConvertAll(ring, index => candidates[index].IsUsable), caller, callers, size);
        for (var i = 0; i < ring.Length; i++)
        {
            weights[ring[i]] *= parts[i];
        }
    }

    /// <summary>Whether a peer has the same groups: loads are even among those that share the same endpoints.</summary>
    private static bool SharesView(Endpoint peer, BalanceSettings settings) => settings.Mode switch
    {
        BalanceMode.ZoneAware => ZoneOf(peer.Locality) == ZoneOf(settings.Locality),
        BalanceMode.None => true,
        _ => peer.Locality == settings.Locality && settings.LocalityLb.FailoverPriority.All(label =>
            label.Contains('=') || BalancingContext.Find(peer, label)
                == (settings.Labels.TryGetValue(label, out var own) ? own : null)),
    };

    private static bool WeighsNothing(IReadOnlyList<BalanceCandidate> candidates)
    {
        foreach (var candidate in candidates)
        {
            if (candidate.IsUsable && candidate.Endpoint.Weight > 0)
            {
                return false;
            }
        }

        return true;
    }

    private static string ZoneOf(Locality locality) => $"{locality.Region}/{locality.Zone}";
}
