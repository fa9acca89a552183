using Mesh.Discovery.Runtime.Resilience;

namespace Mesh.Discovery.Tests.Runtime.Resilience;

/// <summary>
/// A service with so many workers and a queue before them, behind a limit, in virtual time: calls come whether earlier ones
/// have ended or not, and those over the limit are refused.
/// </summary>
internal sealed class LimitSimulation : TimeProvider
{
    private readonly Random _random = new(7);
    private readonly PriorityQueue<(bool IsArrival, double Started), (double Time, int Order)> _events = new();
    private readonly Queue<double> _waiting = new();
    private double _now;
    private int _order;
    private int _inFlight;
    private int _busy;

    public LimitSimulation(AdaptiveConcurrencyConfig? settings = null) =>
        Limit = new AdaptiveLimit(settings ?? new AdaptiveConcurrencyConfig(), this, new HalfRandom());

    public AdaptiveLimit Limit { get; }

    /// <summary>How many are served at a time.</summary>
    public Func<double, int> Workers { get; init; } = static _ => 16;

    /// <summary>How long serving takes in the mean.</summary>
    public Func<double, double> Seconds { get; init; } = static _ => 0.01;

    /// <summary>How unlike requests are: the standard deviation of the logarithm.</summary>
    public double Sigma { get; init; } = 0.5;

    /// <summary>Calls per second.</summary>
    public required double Rate { get; set; }

    /// <summary>How long callers wait.</summary>
    public double Timeout { get; init; } = 0.1;

    /// <summary>Whether callers that have waited long enough leave the queue.</summary>
    public bool CallersLeave { get; init; }

    /// <summary>Calls since the last reset, those refused, and those answered in time.</summary>
    public (int Calls, int Refused, int Good) Counts { get; private set; }

    public double Goodput { get; private set; }

    public double RefusedShare => (double)Counts.Refused / Counts.Calls;

    public int LowestLimit { get; private set; }

    public int HighestLimit { get; private set; }

    public override long TimestampFrequency => 1_000_000_000;

    public override long GetTimestamp() => (long)(_now * TimestampFrequency);

    /// <summary>Runs on; what is counted begins anew.</summary>
    public void Run(double seconds)
    {
        var begin = _now;
        var end = begin + seconds;
        Counts = default;
        (LowestLimit, HighestLimit) = (int.MaxValue, 0);
        if (_events.Count == 0)
        {
            Plan(0, true, 0);
        }

        while (_events.TryPeek(out _, out var next) && next.Time < end)
        {
            var (isArrival, started) = _events.Dequeue();
            _now = next.Time;
            if (isArrival)
            {
                Plan(-Math.Log(1 - _random.NextDouble()) / Rate, true, 0);
                var isRefused = _inFlight >= (Limit.Settings.Mode == AdaptiveConcurrencyMode.Enforce ? Limit.Value : int.MaxValue);
                Counts = (Counts.Calls + 1, Counts.Refused + (isRefused ? 1 : 0), Counts.Good);
                if (!isRefused)
                {
                    _inFlight++;
                    _waiting.Enqueue(_now);
                }
            }
            else
            {
                _busy--;
                End(started);
                Counts = (Counts.Calls, Counts.Refused, Counts.Good + (_now - started <= Timeout ? 1 : 0));
            }

            LowestLimit = Math.Min(LowestLimit, Limit.Value);
            HighestLimit = Math.Max(HighestLimit, Limit.Value);
            while (CallersLeave && _waiting.TryPeek(out var oldest) && _now - oldest > Timeout)
            {
                End(_waiting.Dequeue());
            }

            while (_busy < Workers(_now) && _waiting.TryDequeue(out var first))
            {
                _busy++;
                Plan(Service(), false, first);
            }
        }

        _now = end;
        Goodput = Counts.Good / seconds;
    }

    private void End(double started) =>
        Limit.Record((long)(started * TimestampFrequency), GetTimestamp(), _inFlight--, CallersLeave && _now - started > Timeout);

    private void Plan(double after, bool isArrival, double started) => _events.Enqueue((isArrival, started), (_now + after, _order++));

    /// <summary>Log-normal with the wanted mean.</summary>
    private double Service()
    {
        var normal = Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble())) * Math.Cos(2 * Math.PI * _random.NextDouble());
        return Seconds(_now) * Math.Exp((Sigma * normal) - (Sigma * Sigma / 2));
    }

    private sealed class HalfRandom : IRandomSource
    {
        public int Next(int exclusiveMax) => exclusiveMax / 2;

        public double NextDouble() => 0.5;
    }
}
