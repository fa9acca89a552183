using System.Diagnostics;
using Mesh.Client.Telemetry;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Runtime;

namespace Mesh.Client.Pipeline;

/// <summary>
/// What few routes do before the first attempt, in this order: answer by themselves, inject a fault, change the request, mirror
/// it as changed. Safe for concurrent use.
/// </summary>
internal sealed class RouteStage(FaultInjector faults, MirrorSender mirrors)
{
    /// <param name="decision">The route and the side of its split.</param>
    /// <param name="original">The request.</param>
    /// <param name="service">Who is called.</param>
    /// <param name="activity">The request's span.</param>
    /// <param name="deadline">When it must be over.</param>
    /// <param name="isAgain">Whether the same request has been here before.</param>
    /// <param name="cancel">The caller's token.</param>
    /// <exception cref="MeshRejectedException">No route matches, an intention denies the call, or a delay takes longer than the request may.</exception>
    public async Task<PreparedRequest> RunAsync(
        RouteDecision decision, HttpRequestMessage original, ServiceState service, Activity? activity, long deadline, bool isAgain,
        CancellationToken cancel)
    {
        if (decision.Arm is null)
        {
            return decision.Route is { } answering
                ? new PreparedRequest(original) { Response = RouteAnswers.Create(answering, original) }
                : throw Errors.Refused(service, original, decision);
        }

        var route = decision.Route!;
        var isDelayed = false;
        if (route.Fault is { } plan && faults.Draw(plan, service, original) is { } fault)
        {
            isDelayed = !fault.IsAbort;
            activity?.SetTag(MeshClientTelemetry.FaultTag, fault.Kind);
            if (await faults.InjectAsync(fault, route, original, deadline, cancel).ConfigureAwait(false) is { } abort)
            {
                return new PreparedRequest(original) { Response = abort };
            }
        }

        var request = route.ChangesRequest ? Change(original, decision) : original;
        if ((route.Extras & RouteExtras.Mirrors) != 0 && !isAgain)
        {
            mirrors.Send(request, route, RetryGate.ReplayCap, activity);
        }

        return new PreparedRequest(request) { IsDelayed = isDelayed };
    }

    private static HttpRequestMessage Change(HttpRequestMessage original, RouteDecision decision)
    {
        var route = decision.Route!;
        var uri = route.Rewrite?.Apply(original.RequestUri!, decision.Match?.Uri) ?? original.RequestUri!;
        var copy = RequestCopy.Create(original, uri);
        decision.Arm!.RequestHeaders?.Apply(copy);
        route.RequestHeaders?.Apply(copy);
        if (route.Rewrite?.Authority is { } authority)
        {
            copy.Headers.Host = authority;
        }

        return copy;
    }
}

/// <summary>A request as its route sends it.</summary>
internal sealed class PreparedRequest(HttpRequestMessage request)
{
    public HttpRequestMessage Request { get; } = request;

    /// <summary>The answer, if nothing is sent.</summary>
    public HttpResponseMessage? Response { get; init; }

    /// <summary>Whether a fault has delayed it.</summary>
    public bool IsDelayed { get; init; }
}
