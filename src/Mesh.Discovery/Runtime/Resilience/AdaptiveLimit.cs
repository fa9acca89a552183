namespace Mesh.Discovery.Runtime.Resilience;

/// <summary>
/// A limit of requests in flight that finds itself: as many as can be served without waiting for each other.
/// </summary>
/// <remarks>
/// <para>Like Envoy's gradient controller it compares how long requests take now with how long they take when nobody waits
/// (the baseline), and scales the limit by the ratio: with N places to serve in and L requests let in, requests take L/N times
/// as long, so one step leads back to N, plus <see cref="Buffer"/> and a square root of headroom. It differs where that one,
/// and Netflix's Gradient2, fail in simulation (the numbers are in docs/overload.md):</para>
/// <list type="bullet">
/// <item>How long requests take is a geometric mean. When all take twice as long it doubles, whatever their mixture; one of
/// 30 s among a hundred moves it by 8 %.</item>
/// <item>The baseline is learnt from all traffic and not by stopping it: it follows quick windows at once, others hardly.
/// Only under lasting pressure the limit is halved now and then for one window, which shows the truth if it was up to twice
/// too high, and is repeated while it shows something.</item>
/// <item>A cut is an experiment as well. What waited for each other gets faster by it; if it does not, the requests themselves
/// have become slower, so the baseline was wrong, and the limit returns to what it was. That is not concluded from requests that
/// were given up: they all take as long as their callers wait, under any limit.</item>
/// <item>The limit moves only while it matters: when at least half of it was in use. It doubles until it has been too high
/// once.</item>
/// <item>After a cut only requests count that began after it; else slow ones would cause a second cut for the same reason.</item>
/// </list>
/// <para>Reading the limit is one volatile read; a sample is one interlocked addition; one thread in a window does the rest.
/// Time is in timestamps of the clock throughout, only ratios count. Safe for concurrent use.</para>
/// </remarks>
internal sealed class AdaptiveLimit
{
    /// <summary>Where it begins (Netflix).</summary>
    public const int InitialLimit = 20;

    /// <summary>A window ends only with so many samples: their mean is then good to some 15 %, however unlike they are.</summary>
    public const int MinSamples = 32;

    /// <summary>Envoy: requests may take that much longer than the baseline.</summary>
    public const double Buffer = 1.25;

    /// <summary>With a larger share of requests that failed or were given up, how long they took is only a lower bound.</summary>
    public const double MaxCensored = 0.05;

    /// <summary>Under lasting pressure the baseline is looked for that often, give or take 15 %, so that a fleet does not do it in step.</summary>
    public static readonly TimeSpan ProbeInterval = TimeSpan.FromSeconds(10);

    // A sample is a count in the upper bits and a logarithm in the lower ones, so that one addition takes both.
    private const int SumBits = 44;
    private const long One = 1L << SumBits;
    private const double Precision = 4096;

    /// <summary>A window ends with so many samples as well: twice as many would be below zero.</summary>
    private const int MaxSamples = 1 << 18;

    private readonly TimeProvider _time;
    private readonly IRandomSource _random;
    private volatile AdaptiveConcurrencyConfig _settings;
    private volatile int _value;
    private long _samples;
    private int _failed;
    private int _peak;
    private long _windowStart;

    /// <summary>Requests that began earlier were let in under another limit.</summary>
    private long _since = long.MinValue;
    private int _isRolling;

    // Below: only the thread that ends a window.
    private double _limit;
    private double _baseline;
    private double _latency;
    private bool _isDoubling = true;
    private bool _isProbing;
    private double _limitBeforeProbe;
    private long _nextProbe;
    private bool _isCensored;
    private (double Limit, double Latency, bool IsCensored)? _descent;

    public AdaptiveLimit(AdaptiveConcurrencyConfig settings, TimeProvider time, IRandomSource random)
    {
        _settings = settings;
        _time = time;
        _random = random;
        _limit = Math.Clamp(InitialLimit, settings.MinLimit, settings.MaxLimit);
        _value = (int)_limit;
        _windowStart = time.GetTimestamp();
    }

    /// <summary>The limit.</summary>
    public int Value => _value;

    public AdaptiveConcurrencyConfig Settings
    {
        get => _settings;
        set
        {
            _settings = value;
            _value = Math.Clamp(_value, value.MinLimit, value.MaxLimit);
        }
    }

    /// <summary>How long requests take when nobody waits; zero while that is not known.</summary>
    public TimeSpan Baseline => ToTime(Volatile.Read(ref _baseline));

    /// <summary>How long requests took in the last window.</summary>
    public TimeSpan Latency => ToTime(Volatile.Read(ref _latency));

    /// <summary>A request has ended.</summary>
    /// <param name="start">When it was let in.</param>
    /// <param name="now">When it ended.</param>
    /// <param name="inFlight">How many there were, itself included.</param>
    /// <param name="hasFailed">Whether it failed or was given up: if quickly, that tells nothing; else it took at least that long.</param>
    public void Record(long start, long now, int inFlight, bool hasFailed = false)
    {
        if (start < Volatile.Read(ref _since) || (hasFailed && now - start <= Volatile.Read(ref _baseline) * Buffer))
        {
            return;
        }

        if (hasFailed)
        {
            Interlocked.Increment(ref _failed);
        }

        if (inFlight > Volatile.Read(ref _peak))
        {
            // A race may lose one of two peaks: the next request brings it back.
            Volatile.Write(ref _peak, inFlight);
        }

        var sample = One + (long)(Math.Log2(Math.Max(now - start, 1)) * Precision);
        var samples = Interlocked.Add(ref _samples, sample) >> SumBits;
        if (samples >= MinSamples
            && (now - Volatile.Read(ref _windowStart) >= ToTicks(_settings.Window) || samples >= MaxSamples)
            && Interlocked.Exchange(ref _isRolling, 1) == 0)
        {
            EndWindow(now);
            Volatile.Write(ref _isRolling, 0);
        }
    }

    private void EndWindow(long now)
    {
        var samples = Interlocked.Exchange(ref _samples, 0);
        var peak = Interlocked.Exchange(ref _peak, 0);
        var failed = Interlocked.Exchange(ref _failed, 0);
        Volatile.Write(ref _windowStart, now);
        var count = samples >> SumBits;
        if (count < MinSamples)
        {
            // Another thread has just ended the window.
            return;
        }

        var settings = _settings;
        _limit = Math.Clamp(_limit, settings.MinLimit, settings.MaxLimit);
        var latency = Math.Pow(2, (samples & (One - 1)) / Precision / count);
        _isCensored = failed > count * MaxCensored;
        if (_isProbing)
        {
            EndProbe(latency, now);
        }
        else
        {
            Learn(latency, peak, now);
            Adapt(latency, peak, now);
        }

        Volatile.Write(ref _latency, latency);
        _limit = Math.Clamp(_limit, settings.MinLimit, settings.MaxLimit);
        if (!_isProbing && IsEnforced && now >= _nextProbe && peak * 2 >= _limit && _limit > settings.MinLimit)
        {
            _isProbing = true;
            _limitBeforeProbe = _limit;
            _limit = Math.Max(settings.MinLimit, _limit / 2);
            _descent = null;
            Volatile.Write(ref _since, now);
        }

        _value = (int)_limit;
    }

    private bool IsEnforced => _settings.Mode == AdaptiveConcurrencyMode.Enforce;

    /// <summary>The baseline follows what is quicker soon; what is slower only while there is no pressure, and if it may be chance.</summary>
    private void Learn(double latency, int peak, long now)
    {
        var baseline = _baseline;
        if (baseline == 0)
        {
            baseline = latency;
            PlanProbe(now);
        }
        else if (latency < baseline)
        {
            if (latency >= baseline * 0.9)
            {
                PlanProbe(now);
            }

            baseline += (latency - baseline) * 0.25;
        }
        else if (peak * 2 < _limit && latency < baseline * 1.5)
        {
            baseline += (latency - baseline) * 0.02;
        }

        Volatile.Write(ref _baseline, baseline);
    }

    private void Adapt(double latency, int peak, long now)
    {
        // Without pressure nothing is known about the limit.
        if (peak * 2 < _limit)
        {
            _descent = null;
            return;
        }

        // Not enforced, or only some of the requests: it is what was in flight that took so long.
        var isFree = peak > _limit * 1.1;
        if (!isFree && _descent is { } before && _limit <= before.Limit * 0.7)
        {
            // Half way, on a logarithmic scale, between getting faster with the limit and not at all.
            if (!before.IsCensored && !_isCensored && latency > before.Latency * Math.Sqrt(_limit / before.Limit))
            {
                Volatile.Write(ref _baseline, latency);
                _limit = before.Limit;
                _descent = null;
                PlanProbe(now);
                return;
            }

            _descent = (_limit, latency, _isCensored);
        }

        var gradient = Math.Min(1, Buffer * _baseline / latency);
        if (gradient >= 1)
        {
            _descent = null;
            _limit = _isDoubling ? _limit * 2 : _limit + Math.Sqrt(_limit);
            return;
        }

        _isDoubling = false;
        var limit = isFree
            ? (peak * gradient) + Math.Sqrt(peak * gradient)
            : (_limit * Math.Max(0.5, gradient)) + Math.Sqrt(_limit);
        if (limit < _limit)
        {
            _descent ??= (_limit, latency, _isCensored);
            if (limit < _limit * 0.9)
            {
                Volatile.Write(ref _since, now);
            }
        }

        _limit = limit;
    }

    private void EndProbe(double latency, long now)
    {
        _isProbing = false;
        _limit = _limitBeforeProbe;
        Volatile.Write(ref _since, now);
        var baseline = _baseline;
        if (latency < baseline * 0.9)
        {
            // It was too high, and may still be: once more, from the limit that follows from what is known now.
            _limit = (_limit * Math.Clamp(Buffer * latency / _latency, 0.5, 1)) + Math.Sqrt(_limit);
            _nextProbe = now;
        }
        else
        {
            PlanProbe(now);
        }

        if (latency < baseline || !_isCensored)
        {
            Volatile.Write(ref _baseline, latency < baseline ? latency : baseline + ((latency - baseline) * 0.5));
        }
    }

    private void PlanProbe(long now) => _nextProbe = now + (long)(ToTicks(ProbeInterval) * (0.85 + (0.3 * _random.NextDouble())));

    private long ToTicks(TimeSpan time) => (long)(time.TotalSeconds * _time.TimestampFrequency);

    private TimeSpan ToTime(double ticks) => TimeSpan.FromSeconds(ticks / _time.TimestampFrequency);
}
