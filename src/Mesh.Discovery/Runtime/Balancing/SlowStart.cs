using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Runtime.Balancing;

/// <summary>
/// Knows which endpoints of one destination are new, and renews its view in steps until none is (Envoy: slow start).
/// </summary>
/// <remarks>
/// New is who joins others: what a destination starts with is warm. Who was unhealthy for its catalog is new when it comes
/// back; who was ejected is not, as in Envoy. There is a timer only while somebody is new.
/// </remarks>
internal sealed class SlowStart
{
    private const int Steps = 20;

    /// <summary>So that newcomers alone still serve when they are to start from nothing.</summary>
    private const double Least = 1e-4;

    private readonly DestinationState _destination;
    private readonly TimeProvider _time;
    private readonly Dictionary<EndpointState, long?> _since = new(ReferenceEqualityComparer.Instance);
    private ITimer? _timer;
    private bool _isStopped;

    public SlowStart(DestinationState destination, TimeProvider time)
    {
        _destination = destination;
        _time = time;
    }

    public required WarmupConfig Settings { get; set; }

    /// <summary>Whether somebody is new.</summary>
    public bool IsWarming { get; private set; }

    /// <summary>How much of its weight counts after a time (Envoy's formula).</summary>
    public static double Warmth(TimeSpan age, WarmupConfig settings) => age >= settings.Duration
        ? 1
        : Math.Max(
            Math.Max(Least, settings.MinimumPercent / 100),
            Math.Pow(Math.Max(0, age / settings.Duration), 1 / settings.Aggression));

    /// <summary>Takes the endpoints that are healthy for their catalog, and sets the timer if one of them is new.</summary>
    public void Update_NeedsLock(List<EndpointState> healthy)
    {
        var now = _time.GetTimestamp();
        var present = new HashSet<EndpointState>(healthy, ReferenceEqualityComparer.Instance);
        var hadOthers = _since.Count > 0;
        foreach (var (endpoint, _) in _since)
        {
            if (!present.Contains(endpoint))
            {
                _since.Remove(endpoint);
            }
        }

        IsWarming = false;
        foreach (var endpoint in healthy)
        {
            if (!_since.TryGetValue(endpoint, out var since))
            {
                _since[endpoint] = since = hadOthers ? now : null;
            }

            if (since is { } start && _time.GetElapsedTime(start, now) >= Settings.Duration)
            {
                _since[endpoint] = since = null;
            }

            IsWarming |= since is not null;
        }

        if (!IsWarming)
        {
            _timer?.Dispose();
            _timer = null;
            return;
        }

        _timer ??= CreateTimer();
        _timer.Change(Settings.Duration / Steps, Timeout.InfiniteTimeSpan);
    }

    /// <summary>How much of an endpoint's weight counts now.</summary>
    public double WarmthOf(EndpointState endpoint, long now) => _since.GetValueOrDefault(endpoint) is { } since
        ? Warmth(_time.GetElapsedTime(since, now), Settings)
        : 1;

    public void Stop_NeedsLock()
    {
        _isStopped = true;
        _timer?.Dispose();
        _timer = null;
    }

    private ITimer CreateTimer()
    {
        using (ExecutionContext.SuppressFlow())
        {
            return _time.CreateTimer(
                static state => ((SlowStart)state!).Step(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    private void Step()
    {
        lock (_destination.Service.Sync)
        {
            if (!_isStopped)
            {
                _destination.Service.RenewView_NeedsLock(_destination);
            }
        }
    }
}
