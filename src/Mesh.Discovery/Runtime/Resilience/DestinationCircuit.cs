namespace Mesh.Discovery.Runtime.Resilience;

/// <summary>
/// The failure-rate breaker of a destination as all others see it: its settings, its state, and since when. Who counts and
/// decides is <see cref="Strategy"/>, which the client makes when it is needed. Safe for concurrent use; readers never lock.
/// </summary>
internal sealed class DestinationCircuit(string destination, ResilienceContext resilience)
{
    private static readonly CircuitBreakerConfig s_closed = new() { State = CircuitBreakerState.Closed };

    private readonly Lock _lock = new();
    private volatile CircuitBreakerConfig _settings = s_closed;
    private volatile CircuitState _automatic;
    private CircuitState _told;
    private bool _toldForced;
    private long _openUntil;
    private long _refused;
    private long _refusedBefore;
    private double _failureRate;
    private int _failures;

    /// <summary>Counts and decides; the client's.</summary>
    public object? Strategy;

    public string Destination { get; } = destination;

    public CircuitBreakerConfig Settings => _settings;

    public bool IsForced => _settings.State != CircuitBreakerState.Auto;

    /// <summary>The state in effect.</summary>
    public CircuitState State => _settings.State switch
    {
        CircuitBreakerState.Open => CircuitState.Open,
        CircuitBreakerState.Closed => CircuitState.Closed,
        _ => _automatic,
    };

    /// <summary>Whether outcomes of attempts are counted.</summary>
    public bool IsCounting => !IsForced && _automatic == CircuitState.Closed;

    /// <summary>Whether an attempt needs the strategy's leave.</summary>
    public bool IsProbing => !IsForced && _automatic != CircuitState.Closed;

    /// <summary>Calls that failed at once, since the start.</summary>
    public long Refused => Interlocked.Read(ref _refused);

    /// <summary>How long until a call may be let through; null if nobody knows.</summary>
    public TimeSpan? Left =>
        !IsForced && _automatic == CircuitState.Open && resilience.Time.GetUtcNow().UtcTicks is var now
            ? TimeSpan.FromTicks(Math.Max(0, Volatile.Read(ref _openUntil) - now))
            : null;

    /// <summary>The share and number of failures that opened it last.</summary>
    public (double Rate, int Count) Failures
    {
        get
        {
            lock (_lock)
            {
                return (_failureRate, _failures);
            }
        }
    }

    /// <summary>Whether a call must fail at once. One that need not may still be refused by the strategy.</summary>
    public bool Refuses => State switch
    {
        CircuitState.Closed => false,
        CircuitState.HalfOpen => true,
        _ => Left != TimeSpan.Zero,
    };

    /// <summary>Takes settings; null ends it.</summary>
    public void Use(CircuitBreakerConfig? settings)
    {
        lock (_lock)
        {
            _settings = settings ?? s_closed;
            Tell_NeedsLock();
        }
    }

    /// <summary>Notes a call that failed at once.</summary>
    public void Refuse() => Interlocked.Increment(ref _refused);

    /// <summary>The strategy opens.</summary>
    public void Opened(DateTimeOffset until, double failureRate, int failures)
    {
        lock (_lock)
        {
            Volatile.Write(ref _openUntil, until.UtcTicks);
            if (_automatic == CircuitState.Closed)
            {
                _failureRate = failureRate;
                _failures = failures;
            }

            _automatic = CircuitState.Open;
            Tell_NeedsLock();
        }
    }

    /// <summary>The strategy has another state.</summary>
    public void Became(CircuitState state)
    {
        lock (_lock)
        {
            _automatic = state;
            Tell_NeedsLock();
        }
    }

    private void Tell_NeedsLock()
    {
        var state = State;
        var isForcedOpen = IsForced && state == CircuitState.Open;
        if (state == _told && isForcedOpen == _toldForced)
        {
            return;
        }

        var before = _told;
        _told = state;
        _toldForced = isForcedOpen;
        var events = resilience.Events;
        switch (state)
        {
            case CircuitState.Open when isForcedOpen:
                events.CircuitForcedOpen(Destination);
                break;
            case CircuitState.Open when before == CircuitState.Closed:
                events.CircuitOpened(Destination, _failures, _failureRate, _settings.BreakDuration);
                break;
            case CircuitState.Open:
                events.CircuitOpenedAgain(Destination, _settings.BreakDuration);
                break;
            case CircuitState.HalfOpen:
                events.CircuitHalfOpened(Destination);
                break;
            default:
                events.CircuitClosed(Destination, Refused - _refusedBefore);
                break;
        }

        if (before == CircuitState.Closed)
        {
            _refusedBefore = Refused;
        }

        events.CircuitChanged(Destination, before, state);
    }
}
