using System.Globalization;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Routing;

/// <summary>
/// What a route does wrong on purpose. The draw is a pure function of the plan, the request and the random source, made once
/// for each logical request; delay and abort are drawn independently of each other, as in Envoy.
/// </summary>
internal sealed class FaultPlan
{
    public const string DelayHeader = "x-envoy-fault-delay-request";
    public const string DelayPercentageHeader = "x-envoy-fault-delay-request-percentage";
    public const string AbortHeader = "x-envoy-fault-abort-request";
    public const string GrpcAbortHeader = "x-envoy-fault-abort-grpc-request";
    public const string AbortPercentageHeader = "x-envoy-fault-abort-request-percentage";

    /// <summary>No fault but those that requests ask for.</summary>
    public static readonly FaultPlan HeadersOnly = new(null, null, headerControlled: true);

    private readonly FaultDelayConfig? _delay;
    private readonly FaultAbortConfig? _abort;
    private readonly bool _headerControlled;

    private FaultPlan(FaultDelayConfig? delay, FaultAbortConfig? abort, bool headerControlled)
    {
        _delay = delay;
        _abort = abort;
        _headerControlled = headerControlled;
    }

    /// <summary>Null if nothing can ever go wrong by it.</summary>
    /// <param name="config">What the rule says, if anything.</param>
    /// <param name="headerControlled">Whether requests may ask for faults whatever rules say.</param>
    public static FaultPlan? Create(FaultConfig? config, bool headerControlled)
    {
        headerControlled |= config?.HeaderControlled == true;
        var delay = config?.Delay is { Share.Millionths: > 0 } paused ? paused : null;
        var abort = config?.Abort is { Share.Millionths: > 0 } aborted ? aborted : null;
        return delay is not null || abort is not null ? new FaultPlan(delay, abort, headerControlled)
            : headerControlled ? HeadersOnly
            : null;
    }

    /// <summary>What happens to one request; null if nothing does.</summary>
    public Fault? Draw(HttpRequestMessage request, IRandomSource random)
    {
        var (delay, delayShare) = (_delay?.FixedDelay ?? TimeSpan.Zero, _delay?.Share ?? Share.None);
        var (http, grpc, abortShare) = (_abort?.HttpStatus, _abort?.GrpcStatus, _abort?.Share ?? Share.None);
        if (_headerControlled)
        {
            if (Number(request, DelayHeader, 0, int.MaxValue) is { } milliseconds)
            {
                (delay, delayShare) = (TimeSpan.FromMilliseconds(milliseconds), Percentage(request, DelayPercentageHeader));
            }

            if (Number(request, AbortHeader, 200, 599) is { } status)
            {
                (http, grpc, abortShare) = (status, null, Percentage(request, AbortPercentageHeader));
            }
            else if (Number(request, GrpcAbortHeader, 0, int.MaxValue) is { } code)
            {
                (http, grpc, abortShare) = (null, code, Percentage(request, AbortPercentageHeader));
            }
        }

        var isDelayed = delay > TimeSpan.Zero && delayShare.Draw(random);
        var isAborted = abortShare.Draw(random);
        return !isDelayed && !isAborted ? null
            : isAborted ? new Fault(isDelayed ? delay : TimeSpan.Zero, http, grpc)
            : new Fault(delay, null, null);
    }

    private static int? Number(HttpRequestMessage request, string header, int min, int max) =>
        request.Headers.NonValidated.TryGetValues(header, out var values)
        && int.TryParse(values.ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
        && number >= min && number <= max
            ? number
            : null;

    /// <summary>All, unless the request says fewer. What is no percentage affects nothing: a typing error must not abort.</summary>
    private static Share Percentage(HttpRequestMessage request, string header) =>
        !request.Headers.NonValidated.TryGetValues(header, out var values) ? Share.All
        : decimal.TryParse(values.ToString(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var percentage)
            ? Share.FromPercentage(percentage) ?? Share.None
            : Share.None;
}

/// <summary>The fault that was drawn for one request.</summary>
/// <param name="Delay">Zero for none.</param>
/// <param name="HttpStatus">The status of the abort.</param>
/// <param name="GrpcStatus">The gRPC status of the abort; of both statuses at most one is there.</param>
internal sealed record Fault(TimeSpan Delay, int? HttpStatus, int? GrpcStatus)
{
    public bool IsAbort => HttpStatus is not null || GrpcStatus is not null;

    /// <summary>For headers and tags.</summary>
    public string Kind => !IsAbort ? "delay" : Delay > TimeSpan.Zero ? "delay, abort" : "abort";
}
