using System.Globalization;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Runtime.Resilience;

namespace Mesh.Client.Pipeline;

/// <summary>What callers are told when the mesh refuses a request or gives it up.</summary>
internal static class Errors
{
    public static MeshRejectedException Refused(ServiceState service, HttpRequestMessage request, RouteDecision decision) =>
        decision.DeniedBy is { } guard
            ? new IntentionDeniedException(guard.Source, guard.Destination, guard.Intention, $"{request.Method} {request.RequestUri}")
            : new NoRouteException(
                service.Name.ToString(),
                $"{request.Method} {request.RequestUri}: none of the {service.Routes.Routes.Length} routes of {service.Name} "
                + $"({service.Routes.Name}) matches. A last route without a match would catch all.");

    /// <summary>A call that goes past the mesh's own connections must not be less secure than its rule wants it.</summary>
    /// <exception cref="HttpRequestException">It would be.</exception>
    public static void ThrowIfUnsecured(DestinationState destination, HttpRequestMessage request)
    {
        if (destination.Service.Rule?.TrafficPolicy.Tls?.Mode is { } mode
            && mode != TlsMode.Disable && (mode != TlsMode.Simple || request.RequestUri!.Scheme != Uri.UriSchemeHttps))
        {
            throw new HttpRequestException(
                HttpRequestError.SecureConnectionError,
                $"{request.Method} {request.RequestUri}: the rule of {destination.Name} wants the TLS mode {mode.ToString().ToUpperInvariant()}, but its calls go to the "
                + "address that is dialled, past the connections of the mesh; nothing was sent.");
        }
    }

    /// <summary>The transport calls it a cancellation, but nobody has cancelled.</summary>
    public static HttpRequestException BrokenOff(string target, HttpRequestMessage request, Exception error) =>
        new(HttpRequestError.Unknown, $"{request.Method} {request.RequestUri}: the connection to {target} went away while the request was being sent.", error);

    /// <param name="circuit">The breaker, which does not let the request through.</param>
    /// <param name="request">The request.</param>
    /// <param name="last">How an attempt before has failed.</param>
    public static CircuitOpenException CircuitOpen(DestinationCircuit circuit, HttpRequestMessage request, Exception? last)
    {
        circuit.Refuse();
        var what = $"{request.Method} {request.RequestUri}: the circuit breaker of {circuit.Destination} is";
        if (circuit.IsForced)
        {
            return new CircuitOpenException(
                circuit.Destination, "State", 0, null, $"{what} held open by an operator (State: Open); nothing was sent.", last);
        }

        var (rate, count) = circuit.Failures;
        var left = circuit.Left;
        var reason = left is { } time
            ? $"open for another {time.TotalSeconds:0.###} s"
            : "half-open, and the call that is let through is still under way";
        return new CircuitOpenException(
            circuit.Destination,
            "FailureRatio",
            (int)Math.Round(circuit.Settings.FailureRatio * 100),
            left,
            string.Create(CultureInfo.InvariantCulture, $"{what} {reason}, because {count} attempts, {rate * 100:0.#} %, have failed; nothing was sent."),
            last);
    }

    /// <param name="time">The clock.</param>
    /// <param name="target">Who has not answered.</param>
    /// <param name="request">The request.</param>
    /// <param name="start">When the limit began to run.</param>
    /// <param name="end">When it ended.</param>
    /// <param name="attempts">How many attempts were made.</param>
    /// <param name="last">How the last one failed.</param>
    public static DeadlineExceededException TooLate(
        TimeProvider time, string target, HttpRequestMessage request, long start, long end, int attempts, Exception? last) =>
        new(end <= start
                ? $"{request.Method} {request.RequestUri}: nothing was sent to {target}, because the time of the request that is being "
                    + $"served here was over {time.GetElapsedTime(end, start).TotalSeconds:0.###} s before."
                : $"{request.Method} {request.RequestUri}: no response from {target} within "
                    + $"{time.GetElapsedTime(start, end).TotalSeconds:0.###} s "
                    + $"(attempt {attempts}, {time.GetElapsedTime(start).TotalSeconds:0.###} s in all).",
            last);
}
