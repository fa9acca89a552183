namespace Mesh.Discovery.Consul;

/// <summary>
/// Doubts a sudden loss of most of a service's endpoints, because a catalog that lost its data or its health checks looks
/// the same as a service that went away, and believing it wrongly costs all traffic (Finagle: stabilizer; Eureka:
/// self-preservation).
/// </summary>
/// <remarks>
/// In good times the loss of more than half is believed at the second look, a second later. Soon after the agent was out of
/// reach, whatever is missing, few or many, is kept for <see cref="ConsulOptions.ShrinkHold"/>: as long as processes take to
/// register again, and checks to pass again. Not safe for concurrent use.
/// </remarks>
internal sealed class ShrinkGuard(TimeSpan hold, TimeProvider time)
{
    private static readonly TimeSpan s_secondLook = TimeSpan.FromSeconds(1);

    private IReadOnlyList<Endpoint> _inUse = [];

    /// <summary>What was in use before the agent went away.</summary>
    private IReadOnlyList<Endpoint> _before = [];
    private long _since;

    /// <summary>For how long the present doubt lasts.</summary>
    private TimeSpan _limit;

    /// <summary>What is to be used.</summary>
    /// <param name="told">What Consul says.</param>
    /// <param name="afterTrouble">Whether the agent was out of reach a short time ago.</param>
    /// <param name="isNewTrouble">Whether it was out of reach since the last time: then a doubt begins anew.</param>
    public ShrinkVerdict Judge(IReadOnlyList<Endpoint> told, bool afterTrouble, bool isNewTrouble = false)
    {
        if (!afterTrouble && _since == 0)
        {
            _before = _inUse;
        }

        var healthy = CountHealthy(told);
        var expected = CountHealthy(_before);
        var isDoubtful = afterTrouble || _since != 0 ? LacksAny(told) : healthy * 2 < expected;
        if (hold <= TimeSpan.Zero || !isDoubtful)
        {
            return Believe(told, afterTrouble);
        }

        var now = time.GetTimestamp();
        var isNew = _since == 0;
        _since = isNew || isNewTrouble ? now : _since;
        _limit = afterTrouble ? hold : isNew ? s_secondLook : _limit;
        var left = _limit - time.GetElapsedTime(_since, now);
        if (left <= TimeSpan.Zero || (_limit == s_secondLook && healthy * 2 >= expected))
        {
            return Believe(told, afterTrouble: false);
        }

        _inUse = Merge(told);
        return new ShrinkVerdict(_inUse, left, isNew, expected, healthy);
    }

    private ShrinkVerdict Believe(IReadOnlyList<Endpoint> told, bool afterTrouble)
    {
        _since = 0;
        _inUse = told;

        // Small losses in bad times must not add up to a large one that is never doubted.
        _before = afterTrouble ? _before : told;
        return new ShrinkVerdict(told, null, IsNew: false, 0, 0);
    }

    /// <summary>What is told, and from before what is missing or said to be ill.</summary>
    private List<Endpoint> Merge(IReadOnlyList<Endpoint> told)
    {
        var kept = _before.Where(static endpoint => endpoint.Health == EndpointHealth.Healthy)
            .ToDictionary(static endpoint => endpoint.Address);
        var merged = new List<Endpoint>(told.Count + kept.Count);
        foreach (var endpoint in told)
        {
            kept.Remove(endpoint.Address, out var before);
            merged.Add(endpoint.Health == EndpointHealth.Healthy || before is null ? endpoint : before);
        }

        merged.AddRange(kept.Values);
        return merged;
    }

    /// <summary>Whether one that was healthy before is missing or ill: the only one of its subset, for all that is known here.</summary>
    private bool LacksAny(IReadOnlyList<Endpoint> told)
    {
        var healthy = new HashSet<Uri>();
        foreach (var endpoint in told)
        {
            if (endpoint.Health == EndpointHealth.Healthy)
            {
                healthy.Add(endpoint.Address);
            }
        }

        return _before.Any(before => before.Health == EndpointHealth.Healthy && !healthy.Contains(before.Address));
    }

    private static int CountHealthy(IReadOnlyList<Endpoint> endpoints)
    {
        var count = 0;
        foreach (var endpoint in endpoints)
        {
            count += endpoint.Health == EndpointHealth.Healthy ? 1 : 0;
        }

        return count;
    }
}

/// <summary>What the guard decided.</summary>
/// <param name="Endpoints">To be used now.</param>
/// <param name="LookAgain">After this time, if nothing changes before; null if Consul is believed.</param>
/// <param name="IsNew">Whether the doubt begins here.</param>
/// <param name="Before">How many healthy ones there were.</param>
/// <param name="Now">How many healthy ones Consul tells.</param>
internal readonly record struct ShrinkVerdict(IReadOnlyList<Endpoint> Endpoints, TimeSpan? LookAgain, bool IsNew, int Before, int Now);
