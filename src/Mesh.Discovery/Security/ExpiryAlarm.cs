using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Security;

/// <summary>Tells in time that a certificate is running out and no other one has come: each step once.</summary>
/// <remarks>Safe for concurrent use.</remarks>
internal sealed partial class ExpiryAlarm : IDisposable
{
    /// <summary>Timers take no more than 49 days.</summary>
    private static readonly TimeSpan s_longestWait = TimeSpan.FromDays(1);

    private readonly Lock _lock = new();
    private readonly string _source;
    private readonly double _warning;
    private readonly double _error;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ITimer _timer;
    private CertificateSet? _set;
    private int _step;

    /// <param name="source">Where certificates come from.</param>
    /// <param name="warning">The part of its life that is left when the warning comes.</param>
    /// <param name="error">The same of the error.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Where it is told.</param>
    public ExpiryAlarm(string source, double warning, double error, TimeProvider time, ILogger logger)
    {
        _source = source;
        _warning = warning;
        _error = error;
        _time = time;
        _logger = logger;
        _timer = time.CreateTimer(static state => ((ExpiryAlarm)state!).Look(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Watches over this certificate and no other.</summary>
    public void Watch(CertificateSet set)
    {
        lock (_lock)
        {
            (_set, _step) = (set, 0);
        }

        Look();
    }

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        lock (_lock)
        {
            if (_set is not { } set)
            {
                return;
            }

            var now = _time.GetUtcNow();
            var life = set.NotAfter - set.NotBefore;
            DateTimeOffset[] steps = [set.NotAfter - (life * _warning), set.NotAfter - (life * _error), set.NotAfter];
            var reached = steps.Count(step => now >= step);
            if (reached > _step)
            {
                _step = reached;
                Tell(set, reached);
            }

            if (reached < steps.Length)
            {
                var wait = steps[reached] - now;
                _timer.Change(wait < s_longestWait ? wait : s_longestWait, Timeout.InfiniteTimeSpan);
            }
        }
    }

    private void Tell(CertificateSet set, int step)
    {
        switch (step)
        {
            case 1:
                Log.RunsOut(_logger, set.Id, set.NotAfter, _source);
                break;
            case 2:
                Log.HasRunOutSoon(_logger, set.Id, set.NotAfter, _source);
                break;
            default:
                Log.Expired(_logger, set.Id, set.NotAfter, _source);
                break;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(153, LogLevel.Warning, "The certificate of {Id} ends at {NotAfter:u}, and {Source} has given no other one yet.")]
        public static partial void RunsOut(ILogger logger, SpiffeId id, DateTimeOffset notAfter, string source);

        [LoggerMessage(154, LogLevel.Error, "The certificate of {Id} ends soon, at {NotAfter:u}, and {Source} has given no other one: mTLS will fail then.")]
        public static partial void HasRunOutSoon(ILogger logger, SpiffeId id, DateTimeOffset notAfter, string source);

        [LoggerMessage(155, LogLevel.Error, "The certificate of {Id} has expired at {NotAfter:u}, and {Source} has given no other one: mTLS fails until it does.")]
        public static partial void Expired(ILogger logger, SpiffeId id, DateTimeOffset notAfter, string source);
    }
}
