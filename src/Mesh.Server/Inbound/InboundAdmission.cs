using Mesh.Discovery;
using Mesh.Discovery.Runtime.Resilience;
using Microsoft.Extensions.Logging;

namespace Mesh.Server.Inbound;

/// <summary>
/// Lets as many requests in as the limit says; a few of the others wait a moment, the rest is refused.
/// </summary>
/// <remarks>
/// <para>A place is taken by one compare-and-swap, as long as there is one and nobody waits. Beyond that there is a lock: who
/// waits is in the list of its class, oldest first, and gets the place of somebody who leaves. The list holds as many as the
/// limit, so that nobody waits for much longer than a request takes; when it is full, one of the lowest class gives way to a
/// higher one.</para>
/// <para>How long one waits is Facebook's variant of CoDel: <see cref="InboundConcurrencyOptions.MaxWait"/> for a burst, but a
/// twentieth while the list has not been empty for that long. A standing queue serves nobody sooner: it only makes all late.
/// A class looks at those who come before it and at itself, so a queue of lesser ones shortens no wait above them. Nobody
/// waits beyond its own deadline either.</para>
/// <para>A thread that leaves looks whether somebody waits after it has given its place back, and one that begins to wait
/// looks whether there is a place after it has put itself on the list, so one of the two sees the other.</para>
/// </remarks>
internal sealed partial class InboundAdmission : IDisposable
{
    /// <summary>How much shorter the wait is in a standing queue.</summary>
    private const int StandingShare = 20;

    private static readonly TimeSpan s_tick = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan s_logInterval = TimeSpan.FromSeconds(10);

    private readonly InboundConcurrencyOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<InboundAdmission> _logger;
    private readonly ITimer _timer;
    private readonly Lock _lock = new();
    private readonly LinkedList<AdmissionTicket>[] _queues;
    private readonly long _maxWait;

    /// <summary>When nobody of the class or of a higher one waited last.</summary>
    private readonly long[] _lastEmpty = new long[AdmissionClass.Count];
    private int _inFlight;
    private int _waiting;

    /// <summary>The highest class of those who wait.</summary>
    private volatile int _firstWaiting = AdmissionClass.Count;
    private long _lastLog = long.MinValue;
    private long _overLimit;

    public InboundAdmission(
        MeshOptions options, TimeProvider time, IRandomSource random, MeshServerTelemetry telemetry, ILogger<InboundAdmission> logger)
    {
        _options = options.Inbound.Concurrency;
        _time = time;
        _logger = logger;
        _queues = [.. Enumerable.Range(0, AdmissionClass.Count).Select(static _ => new LinkedList<AdmissionTicket>())];
        _maxWait = (long)(_options.MaxWait.TotalSeconds * time.TimestampFrequency);
        Limit = new AdaptiveLimit(
            new AdaptiveConcurrencyConfig
            {
                Mode = _options.Mode, MinLimit = _options.MinLimit, MaxLimit = Math.Max(_options.MinLimit, _options.MaxLimit), Window = _options.Window,
            },
            time,
            random);
        using (ExecutionContext.SuppressFlow())
        {
            _timer = time.CreateTimer(static state => ((InboundAdmission)state!).Look(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }

        if (IsOn)
        {
            telemetry.Observe(this);
        }
    }

    public bool IsOn => _options.Mode != AdaptiveConcurrencyMode.Off;

    public AdaptiveLimit Limit { get; }

    public int InFlight => Volatile.Read(ref _inFlight);

    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>Requests that came when the limit was reached.</summary>
    public long OverLimit => Interlocked.Read(ref _overLimit);

    /// <summary>Takes a place if there is one at once.</summary>
    public bool TryEnter(int admissionClass)
    {
        if (_options.Mode == AdaptiveConcurrencyMode.Shadow)
        {
            if (Interlocked.Increment(ref _inFlight) > AdmissionClass.Limit(Limit.Value, admissionClass))
            {
                Interlocked.Increment(ref _overLimit);
            }

            return true;
        }

        return admissionClass < _firstWaiting && TryTake(admissionClass);
    }

    /// <summary>Takes a place whatever the limit says.</summary>
    public void Enter() => Interlocked.Increment(ref _inFlight);

    /// <summary>Waits for a place.</summary>
    /// <param name="admissionClass">The class.</param>
    /// <param name="left">The time that is left for the request, if it has a deadline.</param>
    /// <param name="cancel">That the caller is gone.</param>
    /// <returns>Whether there is one now; false means refused, or that the caller is gone.</returns>
    public async ValueTask<bool> WaitAsync(int admissionClass, TimeSpan? left, CancellationToken cancel)
    {
        Interlocked.Increment(ref _overLimit);
        if (Queue(admissionClass, left) is not { } ticket)
        {
            Refused();
            return false;
        }

        using (cancel.UnsafeRegister(static state => ((AdmissionTicket)state!).TryEnd(isAdmitted: false), ticket))
        {
            if (await ticket.Task)
            {
                return true;
            }
        }

        lock (_lock)
        {
            Remove_NeedsLock(ticket);
        }

        if (!cancel.IsCancellationRequested)
        {
            Refused();
        }

        return false;
    }

    /// <summary>A request has ended: tells how long it took, and gives its place back.</summary>
    public void Leave(long start, bool hasFailed)
    {
        Limit.Record(start, _time.GetTimestamp(), InFlight, hasFailed);
        Leave();
    }

    /// <summary>Gives a place back, to somebody who waits if there is one.</summary>
    public void Leave()
    {
        Interlocked.Decrement(ref _inFlight);
        if (Volatile.Read(ref _waiting) > 0)
        {
            Admit();
        }
    }

    public void Dispose() => _timer.Dispose();

    private bool TryTake(int admissionClass)
    {
        var limit = AdmissionClass.Limit(Limit.Value, admissionClass);
        var inFlight = Volatile.Read(ref _inFlight);
        while (inFlight < limit)
        {
            var seen = Interlocked.CompareExchange(ref _inFlight, inFlight + 1, inFlight);
            if (seen == inFlight)
            {
                return true;
            }

            inFlight = seen;
        }

        return false;
    }

    /// <summary>Puts somebody on the list; null if there is no use in waiting.</summary>
    private AdmissionTicket? Queue(int admissionClass, TimeSpan? left)
    {
        if (_maxWait == 0)
        {
            // A place may have come free since the first look.
            return TryTake(admissionClass) ? AdmissionTicket.Admitted : null;
        }

        var ticket = new AdmissionTicket(admissionClass, _time.GetTimestamp());
        lock (_lock)
        {
            var now = ticket.Since;
            NoteEmpty_NeedsLock(now);

            // Served for as long as others are, it would end after its deadline.
            if (left is { } time && time <= Limit.Baseline)
            {
                return null;
            }

            ticket.Deadline = left is { } most ? now + (long)((most - Limit.Baseline).TotalSeconds * _time.TimestampFrequency) : long.MaxValue;
            if (_waiting >= Limit.Value && !TryMakeRoom_NeedsLock(admissionClass))
            {
                return null;
            }

            ticket.Node = _queues[admissionClass].AddLast(ticket);
            _firstWaiting = Math.Min(_firstWaiting, admissionClass);
            if (Interlocked.Increment(ref _waiting) == 1)
            {
                _timer.Change(s_tick, s_tick);
            }
        }

        Admit();
        return ticket;
    }

    /// <summary>The last of the lowest class below the given one is refused in its place.</summary>
    private bool TryMakeRoom_NeedsLock(int admissionClass)
    {
        for (var lower = AdmissionClass.Count - 1; lower > admissionClass; lower--)
        {
            if (_queues[lower].Last?.Value is { } ticket)
            {
                Remove_NeedsLock(ticket);
                ticket.TryEnd(isAdmitted: false);
                return true;
            }
        }

        return false;
    }

    /// <summary>Gives free places to those who wait, the highest class first; refuses those who have waited too long.</summary>
    private void Admit()
    {
        lock (_lock)
        {
            var now = _time.GetTimestamp();
            for (var admissionClass = 0; admissionClass < AdmissionClass.Count; admissionClass++)
            {
                while (_queues[admissionClass].First?.Value is { } ticket)
                {
                    if (IsTooLate_NeedsLock(ticket, now))
                    {
                        Remove_NeedsLock(ticket);
                        ticket.TryEnd(isAdmitted: false);
                        continue;
                    }

                    // A class that finds no place leaves none for the next one, which may fill less.
                    if (!TryTake(admissionClass))
                    {
                        return;
                    }

                    Remove_NeedsLock(ticket);
                    if (!ticket.TryEnd(isAdmitted: true))
                    {
                        // The caller has left in between.
                        Interlocked.Decrement(ref _inFlight);
                    }
                }
            }
        }
    }

    private bool IsTooLate_NeedsLock(AdmissionTicket ticket, long now) =>
        now >= ticket.Deadline || now - ticket.Since >= (now - _lastEmpty[ticket.Class] > _maxWait ? _maxWait / StandingShare : _maxWait);

    private void Remove_NeedsLock(AdmissionTicket ticket)
    {
        if (ticket.Node is { } node)
        {
            ticket.Node = null;
            _queues[ticket.Class].Remove(node);
            while (_firstWaiting < AdmissionClass.Count && _queues[_firstWaiting].Count == 0)
            {
                _firstWaiting++;
            }

            NoteEmpty_NeedsLock(_time.GetTimestamp());
            if (Interlocked.Decrement(ref _waiting) == 0)
            {
                _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }
        }
    }

    private void NoteEmpty_NeedsLock(long now)
    {
        for (var admissionClass = 0; admissionClass < AdmissionClass.Count && _queues[admissionClass].Count == 0; admissionClass++)
        {
            _lastEmpty[admissionClass] = now;
        }
    }

    /// <summary>Refuses those who have waited too long although nobody leaves.</summary>
    private void Look()
    {
        lock (_lock)
        {
            var now = _time.GetTimestamp();
            foreach (var queue in _queues)
            {
                for (var node = queue.First; node is not null;)
                {
                    var ticket = node.Value;
                    node = node.Next;
                    if (IsTooLate_NeedsLock(ticket, now))
                    {
                        Remove_NeedsLock(ticket);
                        ticket.TryEnd(isAdmitted: false);
                    }
                }
            }
        }

        // The limit may have risen.
        Admit();
    }

    private void Refused()
    {
        var now = _time.GetTimestamp();
        var last = Volatile.Read(ref _lastLog);
        if ((last == long.MinValue || _time.GetElapsedTime(last, now) >= s_logInterval)
            && Interlocked.CompareExchange(ref _lastLog, now, last) == last)
        {
            Log.Refusing(_logger, Limit.Value, Limit.Latency.TotalMilliseconds, Limit.Baseline.TotalMilliseconds);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(2021, LogLevel.Warning, "Overload: requests over the limit of {Limit} at a time are refused. Requests take {Latency:0.#} ms, and {Baseline:0.#} ms when none waits for another.")]
        public static partial void Refusing(ILogger logger, int limit, double latency, double baseline);
    }
}
