namespace Mesh.Benchmarks.Simulation;

/// <summary>
/// An instance of the callee: serves so many requests at once, lets others wait, and is slow, paused, broken or gone when
/// its scenario says so.
/// </summary>
/// <remarks>
/// A caller that gives up leaves the queue; what is being served is served to its end, as most applications do.
/// </remarks>
internal sealed class SimulatedEndpoint
{
    private static readonly Action<object?> s_served = static attempt => ((SimulatedAttempt)attempt!).Endpoint.Served((SimulatedAttempt)attempt);
    private static readonly Action<object?> s_refuse = static attempt => ((SimulatedAttempt)attempt!).Refuse();

    private readonly VirtualClock _clock;
    private readonly SeededRandom _random;
    private readonly EndpointModel _model;
    private readonly List<SimulatedAttempt> _serving = [];
    private readonly LinkedList<SimulatedAttempt> _queue = [];
    private TimeSpan _pausedUntil;
    private TimeSpan _pauses;
    private bool _isSilent;
    private bool _isDown;

    public SimulatedEndpoint(Uri address, string zone, EndpointModel model, VirtualClock clock, SeededRandom random)
    {
        Address = address;
        Zone = zone;
        _model = model;
        _clock = clock;
        _random = random;
    }

    public Uri Address { get; }

    public string Zone { get; }

    /// <summary>Attempts that came, those included to which nobody listened.</summary>
    public int Attempts { get; private set; }

    /// <summary>Those of <see cref="Attempts"/> whose connection was refused.</summary>
    public int Refused { get; private set; }

    /// <summary>What each request takes that begins now; null for what the model says.</summary>
    public TimeSpan? Takes { get; set; }

    /// <summary>Of a process that is not warm yet: how many times longer than the model says.</summary>
    public double Slowdown { get; set; } = 1;

    /// <summary>Answers with this status at once; null to serve.</summary>
    public int? FailsWith { get; set; }

    /// <summary>Takes an attempt.</summary>
    public Task<HttpResponseMessage> SendAsync(CancellationToken cancel)
    {
        var attempt = new SimulatedAttempt(this);
        attempt.Watch(cancel);
        Attempts++;
        if (_isDown)
        {
            Refused++;
            _clock.Schedule(EndpointModel.RoundTrip, s_refuse, attempt);
        }
        else if (_isSilent)
        {
            // It stays open until the caller gives up.
        }
        else if (FailsWith is { } status)
        {
            _clock.Schedule(EndpointModel.RoundTrip, state => ((SimulatedAttempt)state!).Answer(status), attempt);
        }
        else if (_serving.Count < _model.Concurrency)
        {
            Serve(attempt);
        }
        else if (_queue.Count < _model.Queue)
        {
            attempt.Place = _queue.AddLast(attempt);
        }
        else
        {
            _clock.Schedule(EndpointModel.RoundTrip, static state => ((SimulatedAttempt)state!).Answer(503), attempt);
        }

        return attempt.Task;
    }

    /// <summary>Everything stands still for a while, as in a collection of garbage.</summary>
    public void Pause(TimeSpan time)
    {
        _pausedUntil = _clock.Now + time;
        _pauses += time;
    }

    /// <summary>Accepts everything and answers nothing any more, as behind a broken network.</summary>
    public void FallSilent()
    {
        _isSilent = true;
        Forget();
    }

    /// <summary>The process ends: what it had is reset, connections are refused.</summary>
    public void Stop()
    {
        _isDown = true;
        SimulatedAttempt[] open = [.. _serving, .. _queue];
        Forget();
        foreach (var attempt in open)
        {
            attempt.Reset();
        }
    }

    /// <summary>It is there again, with nothing to do.</summary>
    public void Recover() => (_isDown, _isSilent) = (false, false);

    /// <summary>The caller does not wait any longer.</summary>
    public void GivenUp(SimulatedAttempt attempt)
    {
        if (attempt.Place is { } place)
        {
            attempt.Place = null;
            _queue.Remove(place);
        }
    }

    private void Serve(SimulatedAttempt attempt)
    {
        _serving.Add(attempt);
        attempt.PausesSeen = _pauses;
        var wait = _pausedUntil > _clock.Now ? _pausedUntil - _clock.Now : TimeSpan.Zero;
        _clock.Schedule(wait + (Takes ?? (_model.Floor + _random.NextTime(_model.Tail)) * Slowdown), s_served, attempt);
    }

    private void Served(SimulatedAttempt attempt)
    {
        var paused = _pauses - attempt.PausesSeen;
        if (paused > TimeSpan.Zero)
        {
            attempt.PausesSeen = _pauses;
            _clock.Schedule(paused, s_served, attempt);
            return;
        }

        // Otherwise the process has ended meanwhile.
        if (_serving.Remove(attempt))
        {
            if (_queue.First is { } next)
            {
                _queue.RemoveFirst();
                next.Value.Place = null;
                Serve(next.Value);
            }

            attempt.Answer(200);
        }
    }

    private void Forget()
    {
        _serving.Clear();
        foreach (var attempt in _queue)
        {
            attempt.Place = null;
        }

        _queue.Clear();
    }
}
