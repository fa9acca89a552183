using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Runtime.ExceptionServices;
using Mesh.Client.LoadBalancing;
using Mesh.Client.Telemetry;
using Mesh.Client.Transport;
using Mesh.Discovery;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Runtime.Resilience;

namespace Mesh.Client.Pipeline;

/// <summary>
/// Everything that happens to an outbound request, for all clients of the process.
/// </summary>
/// <remarks>
/// <para>The order, from the outside in, and why it is so:</para>
/// <list type="number">
/// <item>trace span and metrics: they see the logical request as its caller does, retries and pauses included;</item>
/// <item>total timeout, or what is left of the request that is being served here: everything below shares it;</item>
/// <item>route match, then the draw of the split, once for each logical request: a retry never changes sides;</item>
/// <item>the application's own pipeline, if the route names one: whenever it executes, all below happens again;</item>
/// <item>fault injection: a delay uses up the total timeout, an abort is final, neither is anybody's attempt;</item>
/// <item>mirrors: once for each logical request, of the request as the route sends it;</item>
/// <item>limits of the destination: a place is taken once, and held through retries until the body is read;</item>
/// <item>retries: above the pick, so that each attempt gets another endpoint;</item>
/// <item>circuit breaker of the destination: before the pick, so that no endpoint is touched while it is open;</item>
/// <item>load balancer pick, away from endpoints that were tried, and from a whole locality if all of it was;</item>
/// <item>per-try timeout: around the transport alone, a pause between attempts does not count; the callee is told of it;</item>
/// <item>hedging: within the attempt's time, and to all above one attempt, that of who answers first;</item>
/// <item>outcome of the attempt: to the balancer and the outlier detector, before anybody decides about another one;</item>
/// <item>the application's own pipeline, if the destination names one;</item>
/// <item>transport: the endpoint's own connections.</item>
/// </list>
/// <para>A host that the mesh does not know never gets here: it goes to the client's own handler, unchanged.</para>
/// <para>One request is one async method, because each further layer costs 72 to 130 bytes and tens of nanoseconds. What a
/// request reads is taken from one snapshot reference; nothing here locks. Only what goes wrong leaves the method.</para>
/// </remarks>
internal sealed class MeshPipeline
{
    private readonly MeshRuntime _runtime;
    private readonly PickerCache _pickers;
    private readonly AttemptSender _sender;
    private readonly HedgeSender _hedges;
    private readonly AttemptTimeouts _timeouts;
    private readonly IdleLimits _idleLimits;
    private readonly MeshClientTelemetry _telemetry;
    private readonly RouteStage _routeStage;
    private readonly DestinationFinder _finder;
    private readonly PassThroughSender _passThrough;
    private readonly RetryGate _retries;
    private readonly RoutePasses _passes;
    private readonly OutboundOptions _options;
    private readonly TimeProvider _time;
    private readonly Timestamps _timestamps;
    private readonly IRandomSource _random;

    public MeshPipeline(
        MeshRuntime runtime,
        PickerCache pickers,
        AttemptSender sender,
        HedgeSender hedges,
        AttemptTimeouts timeouts,
        IdleLimits idleLimits,
        MeshClientTelemetry telemetry,
        RouteStage routeStage,
        DestinationFinder finder,
        PassThroughSender passThrough,
        RetryGate retries,
        RoutePasses passes,
        MeshOptions options,
        TimeProvider time,
        IRandomSource random)
    {
        _runtime = runtime;
        _pickers = pickers;
        _sender = sender;
        _hedges = hedges;
        _timeouts = timeouts;
        _idleLimits = idleLimits;
        _telemetry = telemetry;
        _routeStage = routeStage;
        _finder = finder;
        _passThrough = passThrough;
        _retries = retries;
        _passes = passes;
        _options = options.Outbound;
        _time = time;
        _timestamps = new Timestamps(time);
        _random = random;
    }

    public Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, MeshHandler client, CancellationToken cancel) =>
        client.Find(_runtime.Current, request.RequestUri!.Host) is { IsFollowed: true } service
            ? SendAsync(request, service, client, cancel)
            : SendFirstAsync(request, client, cancel);

    /// <summary>A host that is not known yet, or not to everybody who follows services on demand.</summary>
    private async Task<HttpResponseMessage> SendFirstAsync(HttpRequestMessage request, MeshHandler client, CancellationToken cancel)
    {
        var host = request.RequestUri!.Host;
        var service = _runtime.Current.Find(host) ?? await _passThrough.FindAsync(host, cancel).ConfigureAwait(false);
        if (service is null)
        {
            return await _passThrough.SendUnknownAsync(request, client, cancel).ConfigureAwait(false);
        }

        await _runtime.FollowAsync(service, cancel).ConfigureAwait(false);
        return await SendAsync(request, service, client, cancel).ConfigureAwait(false);
    }

    private async Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage original, ServiceState service, MeshHandler client, CancellationToken cancel, RoutePass? pass = null)
    {
        var start = _time.GetTimestamp();
        var decision = pass is null ? service.Routes.Decide(original, _random) : pass.Decision;
        var route = decision.Route;
        if (pass is null && route?.ResiliencePipeline is not null)
        {
            return await SendPassesAsync(original, service, client, decision, start, cancel).ConfigureAwait(false);
        }

        var arm = decision.Arm;
        var request = original;
        var attemptStart = start;
        var deadline = Timestamps.Never;
        var isDelayed = false;
        var context = MeshRequestContext.Current;
        var activity = _telemetry.Start(service, decision);
        HttpResponseMessage? response = null;
        DestinationBreaker? place = null;
        Retry? retry = null;
        try
        {
            deadline = pass is null ? Deadline(start, route, original, context) : pass.Deadline;
            if (deadline <= start && arm is not null)
            {
                throw Errors.TooLate(_time, arm.Destination.Name, original, start, deadline, 0, null);
            }

            if (arm is null || route!.Extras != RouteExtras.None)
            {
                var prepared = await _routeStage.RunAsync(
                    decision, original, service, activity, deadline, isAgain: pass is { IsFirst: false }, cancel).ConfigureAwait(false);
                if (prepared.Response is { } answer)
                {
                    response = answer;
                    goto Done;
                }

                request = prepared.Request;
                isDelayed = prepared.IsDelayed;
                attemptStart = _time.GetTimestamp();
            }

            if (request.Content is not null && route!.Retries.Attempts > 0)
            {
                request = RecordedBody.Record(request, isOwn: request != original, (int)RetryGate.ReplayCap);
            }

            // Of a gRPC call's own deadline, which its client watches and not the mesh, the callee is told what is left.
            var ownEnd = _timestamps.After(start, TravellingHeaders.OwnTimeout(request));
            var destination = arm!.Destination.ForPort(original.RequestUri!.Port);
            if (!destination.Service.IsFollowed)
            {
                await _runtime.FollowAsync(destination.Service, cancel).ConfigureAwait(false);
            }

            // Looked up only where the transport would add one: a request without headers has no collection of them yet.
            var keepsTrace = Activity.Current is null || request.Headers.NonValidated.Contains("traceparent");
            string? cookie = null;
            while (true)
            {
                var view = destination.View;
                if (view.Circuit is { Refuses: true } circuit)
                {
                    destination = await _finder.StandInAsync(arm, circuit, original, activity, deadline, retry?.LastError, cancel).ConfigureAwait(false);
                    view = destination.View;
                    attemptStart = _time.GetTimestamp();
                }

                if (view.Endpoints.Length == 0 || (view.IsPanicking && arm.Failover is not null))
                {
                    if (!view.IsPassThrough)
                    {
                        destination = await _finder.FindAsync(arm, original, activity, deadline, cancel).ConfigureAwait(false);
                        view = destination.View;
                        attemptStart = _time.GetTimestamp();
                        if (view.Endpoints.Length == 0 && !view.IsPassThrough)
                        {
                            // Lost again in between: no attempt was made.
                            continue;
                        }
                    }

                    if (view.IsPassThrough)
                    {
                        Errors.ThrowIfUnsecured(destination, original);
                        response = await _passThrough.SendAsync(request, destination.Name, route, client, start, deadline, cancel).ConfigureAwait(false);
                        Answer(response, original, route!, arm);
                        goto Done;
                    }
                }

                if (deadline <= attemptStart)
                {
                    throw Errors.TooLate(_time, destination.Name, original, start, deadline, retry?.Attempt ?? 0, retry?.LastError);
                }

                if (!ReferenceEquals(view.Breaker, place))
                {
                    place?.Leave();
                    place = null;
                    place = Enter(view, destination, original, retry?.LastError);
                }

                var picker = _pickers.Get(retry is null ? view : view.ForRetry(retry.Tried));
                if (retry is null)
                {
                    destination.Retries.Deposit(attemptStart);
                    cookie ??= picker.CreateAffinityCookie(request);
                }

                var endpoint = picker.Pick(new PickContext(request, retry is null ? [] : retry.Tried));

                // A caller that is gone already is not worth a connection.
                cancel.ThrowIfCancellationRequested();
                endpoint.Enter();
                var end = Math.Min(deadline, _timestamps.After(attemptStart, PerTry(route!, original)));
                if (!destination.Service.Name.IsExternal)
                {
                    TravellingHeaders.Set(request, _timestamps, attemptStart, end, ownEnd, context);
                }
                else if (retry is not null)
                {
                    // A stranger, who may stand in for somebody who was told.
                    TravellingHeaders.Remove(request);
                }

                var timeout = _timeouts.Rent(end, attemptStart, cancel);
                Exception? error = null;
                HedgedAttempt? hedged = null;
                try
                {
                    hedged = route!.Hedging is null ? null : _hedges.Begin(
                        route.Hedging, request, destination, view, picker, endpoint, retry, keepsTrace, attemptStart, end, ownEnd);
                    response = await (hedged is null
                        ? _sender.SendAsync(destination, view, endpoint, request, timeout.Token)
                        : _hedges.SendAsync(hedged, timeout.Token)).ConfigureAwait(false);
                }
                catch (Exception e)
                {
                    error = e;
                }

                if (hedged is not null)
                {
                    endpoint = hedged.Endpoint;
                    attemptStart = hedged.Start;
                }

                // While a body may still be on its way, its sender holds the token.
                var hasExpired = _timeouts.Return(timeout, canBeReused: request.Content is null || response is null);
                var failure = error is null ? AttemptFailure.Final : AttemptFailures.Classify(error, hasExpired, cancel);
                if (failure == AttemptFailure.Rejected
                    || (failure == AttemptFailure.Disposed
                        && (endpoint.IsRetired ? !ReferenceEquals(view, destination.View) : EndpointInvoker.WasReplaced(error!, endpoint))))
                {
                    // No failed attempt, only a pick that came too late, connections that were replaced, or a breaker that had opened.
                    endpoint.Leave();
                    attemptStart = _time.GetTimestamp();
                    continue;
                }

                var adaptive = failure == AttemptFailure.Withheld ? null : place?.Adaptive;
                var now = picker.MeasuresLatency || _telemetry.IsMeasuring || adaptive is not null ? _time.GetTimestamp() : start;
                if (picker.MeasuresLatency && failure != AttemptFailure.Withheld)
                {
                    var hasFailed = response is null ? failure != AttemptFailure.Cancelled : AttemptResults.CannotServe(response);
                    picker.OnCompleted(endpoint, new AttemptOutcome(_timestamps.Between(attemptStart, now), hasFailed, now));
                }

                adaptive?.Record(attemptStart, now, place!.Unanswered, AttemptResults.HasFailed(response));

                TimeSpan? pause = null;
                if (response is not null)
                {
                    if (view.IsReported)
                    {
                        _sender.Report(view, endpoint, AttemptResults.Of(response));
                    }

                    var isGood = (int)response.StatusCode < 400 && (route!.Retries.Conditions & RetryConditions.Grpc) == 0;
                    if (!isGood)
                    {
                        pause = _retries.Next(
                            route!.Retries, request, new FailedAttempt(hedged?.Tried ?? [endpoint], response, failure, null), destination, view,
                            arm.Failover is not null, deadline, ref retry);
                    }

                    if (pause is null)
                    {
                        Track(response, endpoint, place, original, route!);
                        place = null;
                        Answer(response, original, route!, arm);
                        if (cookie is not null)
                        {
                            response.Headers.TryAddWithoutValidation("Set-Cookie", cookie);
                        }

                        _telemetry.Completed(activity, service, original, response, _timestamps.Between(start, now));
                        goto Sent;
                    }

                    // Before the pause: meanwhile neither the count nor the connection is held.
                    response.Dispose();
                    response = null;
                    endpoint.Leave();
                }
                else
                {
                    endpoint.Leave();
                    if (failure is not (AttemptFailure.Final or AttemptFailure.Disposed or AttemptFailure.Cancelled or AttemptFailure.Withheld))
                    {
                        _sender.Report(view, endpoint, AttemptResult.NoResponse);
                        pause = _retries.Next(
                            route!.Retries, request, new FailedAttempt(hedged?.Tried ?? [endpoint], null, failure, error), destination, view,
                            arm.Failover is not null, deadline, ref retry);
                    }

                    if (pause is null)
                    {
                        Throw(error!, failure, destination, original, end == deadline ? start : attemptStart, end, retry, cancel);
                    }
                }

                if (pause.GetValueOrDefault() > TimeSpan.Zero)
                {
                    await Task.Delay(pause.GetValueOrDefault(), _time, cancel).ConfigureAwait(false);
                }

                if (!keepsTrace)
                {
                    // The transport put its own trace context there for the first attempt; the next one gets a new one.
                    request.Headers.Remove("traceparent");
                    request.Headers.Remove("tracestate");
                }

                retry!.Mark(request);
                _telemetry.Retrying(service, activity);
                attemptStart = _time.GetTimestamp();
            }

        Done:
            _telemetry.Completed(activity, service, original, response, _time.GetElapsedTime(start));
        Sent:;
        }
        catch (Exception e) when (_telemetry.Failed(activity, service, original, e, _time.GetElapsedTime(start)))
        {
            throw;
        }
        finally
        {
            place?.Leave();
            retry?.End(wasSent: response is not null);
            RecordedBody.Of(request.Content)?.Forget();
            activity?.Dispose();
        }

        if (isDelayed)
        {
            FaultInjector.Mark(response, FaultInjector.Delayed);
        }

        return client.FollowsRedirects && Redirects.IsRedirect(response)
            ? await FollowAsync(original, response, client, cancel).ConfigureAwait(false)
            : response;
    }

    /// <summary>Apart from the other one, which would make its closure for every request.</summary>
    private Task<HttpResponseMessage> SendPassesAsync(
        HttpRequestMessage original, ServiceState service, MeshHandler client, RouteDecision decision, long start, CancellationToken cancel) =>
        _passes.SendAsync(
            service, original, decision, start, Deadline(start, decision.Route, original, MeshRequestContext.Current),
            (request, pass, token) => SendAsync(request, service, client, token, pass), cancel);

    /// <summary>In flight until the body is read or disposed; at once over if there is none.</summary>
    private void Track(HttpResponseMessage response, EndpointState endpoint, DestinationBreaker? place, HttpRequestMessage original, Route route)
    {
        if (IsOver(response.Content) || original.Method == HttpMethod.Head
            || response.StatusCode is HttpStatusCode.NoContent or HttpStatusCode.NotModified)
        {
            endpoint.Leave();
            place?.Leave();
        }
        else
        {
            place?.Answered();
            response.Content = new TrackedContent(response.Content, endpoint, place, _idleLimits.Of(route, original, response));
        }
    }

    /// <summary>
    /// Whether nothing is on its way any more: there is no body, or it is in memory. Of what came over a connection the header is
    /// looked at as it came: parsing it would cost more than all else here.
    /// </summary>
    private static bool IsOver(HttpContent content) =>
        content is ByteArrayContent
        || (content.Headers.NonValidated.TryGetValues("Content-Length", out var length)
            ? length.ToString() == "0"
            : content.Headers.ContentLength == 0);

    /// <summary>Takes a place among the requests of a destination that limits them.</summary>
    private static DestinationBreaker? Enter(DestinationView view, DestinationState destination, HttpRequestMessage request, Exception? last) =>
        view.Breaker is { } breaker
        && breaker.TryEnter(
            view.Endpoints.Length,
            request.Version.Major < 2,
            breaker.Adaptive is not null && MeshRequestContext.Current is { Priority: RequestPriority.Critical }) is { } limit
            ? throw new CircuitOpenException(destination.Name, limit.Name, limit.Value, $"{request.Method} {request.RequestUri}", last)
            : view.Breaker;

    /// <summary>Makes it the answer to what the caller has sent, with the headers that the route gives it.</summary>
    private static void Answer(HttpResponseMessage response, HttpRequestMessage original, Route route, RouteArm arm)
    {
        response.RequestMessage = original;
        arm.ResponseHeaders?.Apply(response);
        route.ResponseHeaders?.Apply(response);
    }

    /// <summary>When the whole request must be over: by its own time, and by that of the request that is being served.</summary>
    private long Deadline(long start, Route? route, HttpRequestMessage request, MeshRequestContext? context) => Math.Min(
        _timestamps.After(start, route is null ? TimeSpan.Zero : Total(route, request)), context?.Deadline ?? Timestamps.Never);

    /// <summary>For the whole request; zero for any time. A gRPC call has its own deadline and may stream for hours: only what its route says holds for it.</summary>
    private TimeSpan Total(Route route, HttpRequestMessage request) =>
        route.Timeout ?? (GrpcMessages.IsGrpc(request) ? TimeSpan.Zero : _options.Timeout);

    /// <summary>For one attempt; zero for any time. As in Istio, a route's own timeout is also the limit of each of its tries unless it gives one.</summary>
    private TimeSpan PerTry(Route route, HttpRequestMessage request) =>
        route.Retries.PerTryTimeout
        ?? (route.Timeout is null && !GrpcMessages.IsGrpc(request) ? _options.PerTryTimeout : TimeSpan.Zero);

    /// <summary>Lets the caller have the last attempt's failure.</summary>
    [DoesNotReturn]
    private void Throw(
        Exception error, AttemptFailure failure, DestinationState destination, HttpRequestMessage original, long start, long end, Retry? retry,
        CancellationToken cancel)
    {
        if (failure == AttemptFailure.TimedOut)
        {
            throw Errors.TooLate(_time, destination.Name, original, start, end, (retry?.Attempt ?? 0) + 1, error);
        }

        if (failure == AttemptFailure.Cancelled && error is OperationCanceledException)
        {
            // The caller knows its own token, not the attempt's.
            throw new TaskCanceledException(error.Message, error, cancel);
        }

        if (failure == AttemptFailure.Reset && error is OperationCanceledException)
        {
            throw Errors.BrokenOff(destination.Name, original, error);
        }

        ExceptionDispatchInfo.Throw(error);
    }

    /// <summary>Follows redirects as the client's own handler would have, through the mesh.</summary>
    private async Task<HttpResponseMessage> FollowAsync(
        HttpRequestMessage request, HttpResponseMessage response, MeshHandler client, CancellationToken cancel)
    {
        for (var left = client.MaxRedirects; left > 0 && Redirects.Next(request, response) is { } next; left--)
        {
            response.Dispose();
            request = next;
            response = await SendAsync(request, client.WithoutRedirects, cancel).ConfigureAwait(false);
        }

        return response;
    }
}
