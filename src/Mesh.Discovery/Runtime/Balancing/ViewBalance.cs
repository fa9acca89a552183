namespace Mesh.Discovery.Runtime.Balancing;

/// <summary>What balancing makes of a destination's endpoints: who takes traffic, with which weight, and who stands by.</summary>
internal sealed class ViewBalance
{
    private ViewBalance(Balance balance, EndpointState[] endpoints)
    {
        Balance = balance;
        Endpoints = endpoints;
    }

    public Balance Balance { get; }

    public EndpointState[] Endpoints { get; }

    /// <summary>As <see cref="EffectiveWeights.ToWhole"/>.</summary>
    public int[]? Weights { get; private init; }

    /// <summary>The part of the traffic that each endpoint is to get.</summary>
    public double[] Shares { get; private init; } = [];

    /// <summary>The group of each endpoint.</summary>
    public int[] Groups { get; private init; } = [];

    /// <summary>How much of its weight counts, of each endpoint.</summary>
    public double[] Warmths { get; private init; } = [];

    /// <summary>Usable endpoints of the priorities that get nothing now, by priority.</summary>
    public IReadOnlyList<EndpointState[]> StandBy { get; private init; } = [];

    /// <param name="all">All endpoints of the destination.</param>
    /// <param name="usable">Those of them, in the same order, that may take traffic.</param>
    /// <param name="settings">Null: weights and warm-up alone.</param>
    /// <param name="slowStart">Who is new; null if it does not matter.</param>
    /// <param name="now">The timestamp.</param>
    /// <param name="isPanicking">Whether health is ignored.</param>
    public static ViewBalance Create(
        List<EndpointState> all, List<EndpointState> usable, BalanceSettings? settings, SlowStart? slowStart, long now,
        bool isPanicking)
    {
        var candidates = new BalanceCandidate[all.Count];
        var next = 0;
        for (var i = 0; i < all.Count; i++)
        {
            var isUsable = next < usable.Count && ReferenceEquals(usable[next], all[i]);
            next += isUsable ? 1 : 0;
            candidates[i] = new BalanceCandidate(all[i].Endpoint, isUsable, slowStart?.WarmthOf(all[i], now) ?? 1);
        }

        var balance = Balancer.Weigh(candidates, settings, isPanicking);
        var groups = GroupOfEach(balance, candidates.Length);
        int[] chosen = [.. Enumerable.Range(0, candidates.Length).Where(i => balance.Weights[i] > 0)];
        double[] weights = [.. chosen.Select(i => balance.Weights[i])];
        var total = weights.Sum();
        return new ViewBalance(balance, [.. chosen.Select(i => all[i])])
        {
            Weights = EffectiveWeights.ToWhole(weights, [.. chosen.Select(i => candidates[i].Endpoint.Weight)]),
            Shares = Array.ConvertAll(weights, weight => weight / total),
            Groups = [.. chosen.Select(i => groups[i])],
            Warmths = [.. chosen.Select(i => candidates[i].Warmth)],
            StandBy = settings?.Mode != BalanceMode.Failover ? []
                : [.. balance.Groups.Where(static group => group is { Share: <= 0, Usable: > 0 })
                    .Select(group => group.Members.Where(i => candidates[i].IsUsable).Select(i => all[i]).ToArray())],
        };
    }

    /// <summary>As <see cref="Balancer.IsCovered"/>.</summary>
    public static bool IsCovered(List<EndpointState> all, List<EndpointState> usable, BalanceSettings settings)
    {
        var set = new HashSet<EndpointState>(usable, ReferenceEqualityComparer.Instance);
        return Balancer.IsCovered([.. all.Select(state => new BalanceCandidate(state.Endpoint, set.Contains(state)))], settings);
    }

    private static int[] GroupOfEach(Balance balance, int count)
    {
        var groups = new int[count];
        for (var i = 0; i < balance.Groups.Count; i++)
        {
            foreach (var index in balance.Groups[i].Members)
            {
                groups[index] = i;
            }
        }

        return groups;
    }
}
