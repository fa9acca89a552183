namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads what a route does wrong on purpose (Istio: HTTPFaultInjection).</summary>
internal static class FaultReader
{
    /// <summary>Istio refuses shorter ones.</summary>
    private static readonly TimeSpan s_shortestDelay = TimeSpan.FromMilliseconds(1);

    /// <summary>gRPC's statuses in the order of their numbers.</summary>
    private static readonly string[] s_grpcStatuses =
    [
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE",
        "DATA_LOSS", "UNAUTHENTICATED",
    ];

    private static readonly (string, int)[] s_grpcWords = [.. s_grpcStatuses.Select(static (name, number) => (name, number))];

    public static FaultConfig? Read(ObjectReader? fault)
    {
        if (fault is null)
        {
            return null;
        }

        // Whether callers may ask for faults is a matter of this process; Istio's documents cannot say it.
        var isOurs = fault.Reading.Dialect == RuleDialect.Configuration;
        var result = new FaultConfig
        {
            Location = fault.Location,
            Delay = Delay(fault.Object("delay")),
            Abort = Abort(fault.Object("abort")),
            HeaderControlled = isOurs && fault.Bool("headerControlled") == true,
        };
        fault.Done();
        if (isOurs)
        {
            fault.AtLeastOne("delay", "abort", "headerControlled");
        }
        else
        {
            fault.AtLeastOne("delay", "abort");
        }

        return result;
    }

    private static FaultDelayConfig? Delay(ObjectReader? delay)
    {
        if (delay is null)
        {
            return null;
        }

        // Hidden in Istio's own documentation and never implemented there.
        delay.NotSupported("exponentialDelay");
        var fixedDelay = delay.CountOf("exponentialDelay") > 0
            ? delay.Duration("fixedDelay", s_shortestDelay)
            : delay.Require("fixedDelay")?.Duration(s_shortestDelay);
        var share = Share(delay, delay.Reading.Dialect == RuleDialect.Istio ? "percent" : null);
        delay.Done();
        delay.AtMostOne("percentage", "percent");
        return fixedDelay is { } duration ? new FaultDelayConfig(duration, share) : null;
    }

    private static FaultAbortConfig? Abort(ObjectReader? abort)
    {
        if (abort is null)
        {
            return null;
        }

        // Istio names it and refuses it.
        abort.NotSupported("http2Error");
        var httpStatus = abort.Int("httpStatus", 200, 599);
        var grpcStatus = GrpcStatus(abort.Find("grpcStatus"));
        var share = Share(abort, null);
        abort.Done();
        abort.AtMostOne("httpStatus", "grpcStatus");
        if (abort.CountOf("httpStatus", "grpcStatus", "http2Error") == 0)
        {
            abort.Error($"an abort needs one of {abort.Reading.Show("httpStatus", "grpcStatus")}");
        }

        return httpStatus is null && grpcStatus is null ? null : new FaultAbortConfig(httpStatus, grpcStatus, share);
    }

    /// <summary>Istio's names; their numbers are taken too.</summary>
    private static int? GrpcStatus(RuleValue? value) =>
        value is not { } status ? null
        : (status.Node as ScalarNode)?.Text is { } text && text.Length > 0 && text.All(char.IsAsciiDigit)
            ? status.Int(0, s_grpcStatuses.Length - 1)
            : status.OneOf(s_grpcWords);

    /// <summary>Istio: without a percentage no request is affected, which is hardly meant.</summary>
    private static Share Share(ObjectReader fault, string? wholeNumber)
    {
        var percentage = fault.Find("percentage");
        var percent = wholeNumber is null ? null : fault.Find(wholeNumber);
        if (percentage is null && percent is null)
        {
            fault.Reading.Warn(
                fault.Location, $"'{fault.Reading.Show("percentage")}' is missing, which Istio reads as 0: no request is affected");
            return Discovery.Share.None;
        }

        return percentage?.Percentage() ?? (percent?.Int(0, 100) is { } whole ? new Share(whole * 10_000) : Discovery.Share.None);
    }
}
