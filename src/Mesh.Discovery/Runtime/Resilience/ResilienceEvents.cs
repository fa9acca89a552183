using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Runtime.Resilience;

/// <summary>Tells the log and the metrics what destinations do to protect themselves.</summary>
internal sealed partial class ResilienceEvents
{
    private const string DestinationTag = "mesh.destination";
    private const string ServiceTag = "mesh.service";

    private readonly ILogger _logger;
    private readonly Counter<long> _ejections;
    private readonly UpDownCounter<long> _ejected;
    private readonly UpDownCounter<long> _panicking;
    private readonly Counter<long> _transitions;
    private readonly UpDownCounter<long> _open;
    private readonly UpDownCounter<long> _failing;

    public ResilienceEvents(Meter meter, ILogger logger)
    {
        _logger = logger;
        _ejections = meter.CreateCounter<long>("mesh.outlier.ejections", "{ejection}", "Endpoints that were ejected, by destination and reason.");
        _ejected = meter.CreateUpDownCounter<long>("mesh.outlier.ejected", "{endpoint}", "Endpoints that are ejected now.");
        _panicking = meter.CreateUpDownCounter<long>(
            "mesh.destination.panicking", "{destination}", "1 while a destination uses ejected endpoints because too few are healthy.");
        _transitions = meter.CreateCounter<long>(
            "mesh.circuit_breaker.transitions", "{transition}", "Changes of state of failure-rate breakers, by destination and new state.");
        _open = meter.CreateUpDownCounter<long>("mesh.circuit_breaker.open", "{destination}", "1 while a destination's breaker is open or half-open.");
        _failing = meter.CreateUpDownCounter<long>("mesh.health_check.failing", "{endpoint}", "Endpoints that fail their health checks now.");
    }

    public void Fails(string service, string endpoint, int checks, string problem)
    {
        Log.Fails(_logger, endpoint, service, checks, problem);
        _failing.Add(1, new KeyValuePair<string, object?>(ServiceTag, service));
    }

    public void Passes(string service, string endpoint, bool isGone)
    {
        if (!isGone)
        {
            Log.Passes(_logger, endpoint, service);
        }

        _failing.Add(-1, new KeyValuePair<string, object?>(ServiceTag, service));
    }

    public void CheckFailed(string service, string endpoint, Exception error) => Log.CheckFailed(_logger, endpoint, service, error);

    /// <summary>A panic of its own: the outlier detector may panic beside it.</summary>
    public void IgnoresChecks(string destination, bool isPanicking, int passing, int all, int percent)
    {
        if (isPanicking)
        {
            Log.IgnoresChecks(_logger, destination, passing, all, percent);
        }
        else
        {
            Log.HeedsChecks(_logger, destination);
        }

        _panicking.Add(
            isPanicking ? 1 : -1, new KeyValuePair<string, object?>(DestinationTag, destination), new KeyValuePair<string, object?>("reason", "health-checks"));
    }

    public void Ejected(string destination, string endpoint, string reason, TimeSpan time, int ejections)
    {
        Log.Ejected(_logger, endpoint, destination, time, reason, ejections);
        _ejections.Add(1, new KeyValuePair<string, object?>(DestinationTag, destination), new KeyValuePair<string, object?>("reason", reason));
        _ejected.Add(1, new KeyValuePair<string, object?>(DestinationTag, destination));
    }

    public void NotEjected(string destination, string endpoint, string reason, int percent, int endpoints) =>
        Log.NotEjected(_logger, endpoint, destination, reason, percent, endpoints);

    public void Returned(string destination, string endpoint)
    {
        Log.Returned(_logger, endpoint, destination);
        _ejected.Add(-1, new KeyValuePair<string, object?>(DestinationTag, destination));
    }

    public void Panic(string destination, bool isPanicking, int healthy, int all, int percent)
    {
        if (isPanicking)
        {
            Log.Panics(_logger, destination, healthy, all, percent);
        }
        else
        {
            Log.PanicIsOver(_logger, destination);
        }

        _panicking.Add(
            isPanicking ? 1 : -1, new KeyValuePair<string, object?>(DestinationTag, destination), new KeyValuePair<string, object?>("reason", "outliers"));
    }

    public void CircuitOpened(string destination, int failures, double rate, TimeSpan time) =>
        Log.CircuitOpened(_logger, destination, failures, Math.Round(rate * 100, 1), time);

    public void CircuitOpenedAgain(string destination, TimeSpan time) => Log.CircuitOpenedAgain(_logger, destination, time);

    public void CircuitForcedOpen(string destination) => Log.CircuitForcedOpen(_logger, destination);

    public void CircuitHalfOpened(string destination) => Log.CircuitHalfOpened(_logger, destination);

    public void CircuitClosed(string destination, long refused) => Log.CircuitClosed(_logger, destination, refused);

    public void CircuitChanged(string destination, CircuitState before, CircuitState now)
    {
        var name = now switch { CircuitState.Open => "open", CircuitState.HalfOpen => "half_open", _ => "closed" };
        _transitions.Add(1, new KeyValuePair<string, object?>(DestinationTag, destination), new KeyValuePair<string, object?>("mesh.state", name));
        if (before == CircuitState.Closed || now == CircuitState.Closed)
        {
            _open.Add(now == CircuitState.Closed ? -1 : 1, new KeyValuePair<string, object?>(DestinationTag, destination));
        }
    }

    private static partial class Log
    {
        [LoggerMessage(133, LogLevel.Warning, "{Destination} ignores its health checks: {Passing} of {All} endpoints pass, below {Percent} %. Those that fail them take traffic as well.")]
        public static partial void IgnoresChecks(ILogger logger, string destination, int passing, int all, int percent);

        [LoggerMessage(134, LogLevel.Information, "{Destination} heeds its health checks again.")]
        public static partial void HeedsChecks(ILogger logger, string destination);

        [LoggerMessage(135, LogLevel.Error, "What a health check of endpoint {Endpoint} of {Service} has found could not be put into effect.")]
        public static partial void CheckFailed(ILogger logger, string endpoint, string service, Exception error);

        [LoggerMessage(126, LogLevel.Warning, "Endpoint {Endpoint} of {Service} fails its health checks and takes no traffic ({Checks} in a row, the last one: {Problem}).")]
        public static partial void Fails(ILogger logger, string endpoint, string service, int checks, string problem);

        [LoggerMessage(127, LogLevel.Information, "Endpoint {Endpoint} of {Service} passes its health checks again.")]
        public static partial void Passes(ILogger logger, string endpoint, string service);

        [LoggerMessage(121, LogLevel.Warning, "Endpoint {Endpoint} of {Destination} is ejected for {Time}: {Reason} (ejection {Ejections} in a row).")]
        public static partial void Ejected(ILogger logger, string endpoint, string destination, TimeSpan time, string reason, int ejections);

        [LoggerMessage(122, LogLevel.Debug, "Endpoint {Endpoint} of {Destination} is an outlier ({Reason}) but is not ejected: no more of {Endpoints} may be (MaxEjectionPercent {Percent}).")]
        public static partial void NotEjected(ILogger logger, string endpoint, string destination, string reason, int percent, int endpoints);

        [LoggerMessage(123, LogLevel.Information, "Endpoint {Endpoint} of {Destination} takes traffic again.")]
        public static partial void Returned(ILogger logger, string endpoint, string destination);

        [LoggerMessage(124, LogLevel.Warning, "{Destination} panics: {Healthy} of {All} endpoints are healthy, below {Percent} %. Ejected endpoints take traffic again.")]
        public static partial void Panics(ILogger logger, string destination, int healthy, int all, int percent);

        [LoggerMessage(125, LogLevel.Information, "{Destination} panics no more.")]
        public static partial void PanicIsOver(ILogger logger, string destination);

        [LoggerMessage(128, LogLevel.Warning, "The circuit breaker of {Destination} is Open for {Time}: {Failures} attempts, {Percent} %, have failed. Calls fail at once.")]
        public static partial void CircuitOpened(ILogger logger, string destination, int failures, double percent, TimeSpan time);

        [LoggerMessage(129, LogLevel.Information, "The circuit breaker of {Destination} is Open again for {Time}.")]
        public static partial void CircuitOpenedAgain(ILogger logger, string destination, TimeSpan time);

        [LoggerMessage(130, LogLevel.Warning, "The circuit breaker of {Destination} is Open by its rule (State: Open), until that changes. Calls fail at once.")]
        public static partial void CircuitForcedOpen(ILogger logger, string destination);

        [LoggerMessage(131, LogLevel.Information, "The circuit breaker of {Destination} is HalfOpen: one call is let through.")]
        public static partial void CircuitHalfOpened(ILogger logger, string destination);

        [LoggerMessage(132, LogLevel.Information, "The circuit breaker of {Destination} is Closed. Meanwhile {Refused} calls have failed at once.")]
        public static partial void CircuitClosed(ILogger logger, string destination, long refused);
    }
}
