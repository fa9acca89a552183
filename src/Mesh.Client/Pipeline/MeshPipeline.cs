using System.Diagnostics;
using System.Net;
using System.Runtime.ExceptionServices;
using Mesh.Client.LoadBalancing;
using Mesh.Client.Telemetry;
using Mesh.Client.Transport;
using Mesh.Discovery;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Runtime.Resilience;
using Microsoft.Extensions.Logging;

namespace Mesh.Client.Pipeline;

/// <summary>
/// Everything that happens to an outbound request, for all clients of the process.
/// </summary>
/// <remarks>
/// <para>The order, from the outside in, and why it is so:</para>
/// <list type="number">
/// <item>trace span and metrics: they see the logical request as its caller does, retries and pauses included;</item>
/// <item>total timeout: everything below shares it;</item>
/// <item>route match, then the draw of the split, once for each logical request: a retry never changes sides;</item>
/// <item>fault injection: a delay uses up the total timeout, an abort is final, neither is anybody's attempt;</item>
/// <item>mirrors: once for each logical request, of the request as the route sends it;</item>
/// <item>limits of the destination: a place is taken once, and held through retries until the body is read;</item>
/// <item>retries: above the pick, so that each attempt gets another endpoint;</item>
/// <item>load balancer pick, away from endpoints that were tried, and from a whole locality if all of it was;</item>
/// <item>per-try timeout: around the transport alone, a pause between attempts does not count;</item>
/// <item>outcome of the attempt: to the balancer and the outlier detector, before anybody decides about another one;</item>
/// <item>transport: the endpoint's own connections.</item>
/// </list>
/// <para>A host that the mesh does not know never gets here: it goes to the client's own handler, unchanged.</para>
/// <para>One request is one async method, because each further layer costs 72 to 130 bytes and tens of nanoseconds. What a
/// request reads is taken from one snapshot reference; nothing here locks. Only what goes wrong leaves the method.</para>
/// </remarks>
internal sealed partial class MeshPipeline
{
    /// <summary>Linkerd: bodies above 64 KiB are not sent twice.</summary>
    private const long ReplayCap = 64 * 1024;

    /// <summary>As far as a timer reaches.</summary>
    private static readonly TimeSpan s_longestWait = TimeSpan.FromDays(24);

    private readonly MeshRuntime _runtime;
    private readonly PickerCache _pickers;
    private readonly EndpointTransport _transport;
    private readonly AttemptTimeouts _timeouts;
    private readonly MeshClientTelemetry _telemetry;
    private readonly FaultInjector _faults;
    private readonly MirrorSender _mirrors;
    private readonly OutboundOptions _options;
    private readonly TimeProvider _time;
    private readonly IRandomSource _random;
    private readonly ILogger<MeshPipeline> _logger;

    public MeshPipeline(
        MeshRuntime runtime,
        PickerCache pickers,
        EndpointTransport transport,
        AttemptTimeouts timeouts,
        MeshClientTelemetry telemetry,
        FaultInjector faults,
        MirrorSender mirrors,
        MeshOptions options,
        TimeProvider time,
        IRandomSource random,
        ILogger<MeshPipeline> logger)
    {
        _runtime = runtime;
        _pickers = pickers;
        _transport = transport;
        _timeouts = timeouts;
        _telemetry = telemetry;
        _faults = faults;
        _mirrors = mirrors;
        _options = options.Outbound;
        _time = time;
        _random = random;
        _logger = logger;
    }

    public Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, MeshHandler client, CancellationToken cancel) =>
        client.Find(_runtime.Current, request.RequestUri!.Host) is { } service
            ? service.IsFollowed ? SendAsync(request, service, client, cancel) : SendFirstAsync(request, service, client, cancel)
            : SendUnknownAsync(request, client, cancel);

    /// <summary>Catalogs and rule sources that follow services on demand are asked for this one first.</summary>
    private async Task<HttpResponseMessage> SendFirstAsync(
        HttpRequestMessage request, ServiceState service, MeshHandler client, CancellationToken cancel)
    {
        await FollowAsync(service, cancel).ConfigureAwait(false);
        return await SendAsync(request, service, client, cancel).ConfigureAwait(false);
    }

    private async ValueTask FollowAsync(ServiceState service, CancellationToken cancel)
    {
        if (!service.IsFollowed)
        {
            service.IsFollowed = await _runtime.FollowAsync(service.Name, cancel).ConfigureAwait(false);
        }
    }

    private async Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage original, ServiceState service, MeshHandler client, CancellationToken cancel)
    {
        var start = _time.GetTimestamp();
        var decision = service.Routes.Decide(original, _random);
        using var activity = _telemetry.Start(service, decision);
        HttpResponseMessage? response = null;
        var isDelayed = false;
        DestinationBreaker? place = null;
        Retry? retry = null;
        try
        {
            if (decision.Arm is not { } arm)
            {
                response = decision.Route is { } answering ? RouteAnswers.Create(answering, original) : throw Refused(service, original, decision);
                _telemetry.Completed(activity, service, original, response, _time.GetElapsedTime(start));
                goto Done;
            }

            var route = decision.Route!;
            var request = original;
            var (total, perTry) = Timeouts(route, original);
            var attemptStart = start;
            if (route.Extras != RouteExtras.None)
            {
                if (route.Fault is { } plan && _faults.Draw(plan, service, original) is { } fault)
                {
                    isDelayed = !fault.IsAbort;
                    activity?.SetTag(MeshClientTelemetry.FaultTag, fault.Kind);
                    response = await _faults.InjectAsync(fault, route, original, total, cancel).ConfigureAwait(false);
                    attemptStart = _time.GetTimestamp();
                    if (response is not null)
                    {
                        _telemetry.Completed(activity, service, original, response, _time.GetElapsedTime(start, attemptStart));
                        goto Done;
                    }
                }

                request = route.ChangesRequest ? Change(original, decision) : original;
                if ((route.Extras & RouteExtras.Mirrors) != 0)
                {
                    _mirrors.Send(request, route, ReplayCap, activity);
                }
            }

            var destination = arm.Destination.ForPort(original.RequestUri!.Port);
            if (!destination.Service.IsFollowed)
            {
                await FollowAsync(destination.Service, cancel).ConfigureAwait(false);
            }

            var retries = route.Retries;

            // Looked up only where the transport would add one: a request without headers has no collection of them yet.
            var keepsTrace = Activity.Current is null || request.Headers.NonValidated.Contains("traceparent");

            EndpointState[] tried = [];
            Exception? lastError = null;
            string? cookie = null;
            for (var attempt = 0; ; attempt++)
            {
                var view = destination.View;
                if (view.Endpoints.Length == 0 || (view.IsPanicking && arm.Failover is not null))
                {
                    if (!view.IsPassThrough)
                    {
                        destination = await FindDestinationAsync(arm, original, activity, start, total, cancel).ConfigureAwait(false);
                        view = destination.View;
                        attemptStart = _time.GetTimestamp();
                        if (view.Endpoints.Length == 0 && !view.IsPassThrough)
                        {
                            // Lost again in between: no attempt was made.
                            attempt--;
                            continue;
                        }
                    }

                    if (view.IsPassThrough)
                    {
                        response = await PassThroughAsync(request, destination.Name, client, start, total, cancel).ConfigureAwait(false);
                        Answer(response, original, route, arm);
                        _telemetry.Completed(activity, service, original, response, _time.GetElapsedTime(start));
                        goto Done;
                    }
                }

                var limit = Limit(total, perTry, start, attemptStart);
                if (limit == TimeSpan.Zero)
                {
                    throw TooLate(destination.Name, original, start, total, attempt, lastError);
                }

                if (!ReferenceEquals(view.Breaker, place))
                {
                    place?.Leave();
                    place = null;
                    place = Enter(view, destination, original, lastError);
                }

                var picker = _pickers.Get(tried.Length == 0 ? view : view.ForRetry(tried));
                if (attempt == 0)
                {
                    destination.Retries.Deposit(attemptStart);
                    cookie ??= picker.CreateAffinityCookie(request);
                }

                var endpoint = picker.Pick(new PickContext(request, tried));

                // A caller that is gone already is not worth a connection.
                cancel.ThrowIfCancellationRequested();
                endpoint.Enter();
                var timeout = _timeouts.Rent(limit, attemptStart);
                var registration = cancel.UnsafeRegister(static state => ((AttemptTimeout)state!).Cancel(), timeout);
                AttemptFailure failure;
                try
                {
                    response = await _transport.Get(endpoint).SendAsync(request, timeout.Token).ConfigureAwait(false);
                    failure = AttemptFailure.Final;
                }
                catch (OperationCanceledException e) when (timeout.HasExpired && !cancel.IsCancellationRequested)
                {
                    failure = AttemptFailure.TimedOut;
                    lastError = e;
                }
                catch (ObjectDisposedException) when (endpoint.IsRetired && !ReferenceEquals(view, destination.View))
                {
                    // Retired between pick and send, so nothing was sent: no failed attempt, only a pick that came too late.
                    endpoint.Leave();
                    attemptStart = _time.GetTimestamp();
                    attempt--;
                    continue;
                }
                catch (Exception e) when (!cancel.IsCancellationRequested && AttemptFailures.Classify(e) != AttemptFailure.Final)
                {
                    failure = AttemptFailures.Classify(e);
                    lastError = e;
                }
                catch (Exception e)
                {
                    endpoint.Leave();
                    if (picker.MeasuresLatency)
                    {
                        var now = _time.GetTimestamp();
                        picker.OnCompleted(
                            endpoint, new AttemptOutcome(_time.GetElapsedTime(attemptStart, now), !cancel.IsCancellationRequested, now));
                    }

                    // The caller knows its own token, not the attempt's.
                    if (e is OperationCanceledException && cancel.IsCancellationRequested)
                    {
                        throw new TaskCanceledException(e.Message, e, cancel);
                    }

                    throw;
                }
                finally
                {
                    registration.Dispose();

                    // While a body may still be on its way, its sender holds the token.
                    _timeouts.Return(timeout, canBeReused: request.Content is null || response is null);
                }

                var end = picker.MeasuresLatency || _telemetry.IsMeasuring ? _time.GetTimestamp() : start;
                if (picker.MeasuresLatency)
                {
                    picker.OnCompleted(
                        endpoint,
                        new AttemptOutcome(_time.GetElapsedTime(attemptStart, end), response is null || CannotServe(response), end));
                }

                view.Detector?.Report(endpoint, AttemptResults.Of(response));
                var pause = TimeSpan.Zero;
                if (response is not null)
                {
                    var isGood = (int)response.StatusCode < 400 && (retries.Conditions & RetryConditions.Grpc) == 0;
                    if (isGood || attempt >= retries.Attempts || !RetryDecision.Allows(retries, response, request)
                        || !CanRetry(request, destination, endpoint, AttemptFailure.Final, attempt, total, start, view, ref retry, out pause))
                    {
                        Track(response, endpoint, place, original);
                        place = null;
                        Answer(response, original, route, arm);
                        if (cookie is not null)
                        {
                            response.Headers.TryAddWithoutValidation("Set-Cookie", cookie);
                        }

                        _telemetry.Completed(activity, service, original, response, _time.GetElapsedTime(start, end));
                        goto Done;
                    }

                    // Before the pause: meanwhile neither the count nor the connection is held.
                    response.Dispose();
                    response = null;
                    endpoint.Leave();
                    lastError = null;
                }
                else
                {
                    endpoint.Leave();
                    if (attempt >= retries.Attempts || !RetryDecision.Allows(retries, failure, request)
                        || !CanRetry(request, destination, endpoint, failure, attempt, total, start, view, ref retry, out pause))
                    {
                        if (failure == AttemptFailure.TimedOut)
                        {
                            throw TooLate(destination.Name, original, start, limit, attempt + 1, lastError);
                        }

                        ExceptionDispatchInfo.Throw(lastError!);
                    }
                }

                tried = [.. tried, endpoint];
                if (pause > TimeSpan.Zero)
                {
                    await Task.Delay(pause, _time, cancel).ConfigureAwait(false);
                }

                if (!keepsTrace)
                {
                    // The transport put its own trace context there for the first attempt; the next one gets a new one.
                    request.Headers.Remove("traceparent");
                    request.Headers.Remove("tracestate");
                }

                retry!.Mark(request, attempt + 2);
                _telemetry.Retrying(service, activity);
                attemptStart = _time.GetTimestamp();
            }
        }
        catch (Exception e) when (_telemetry.Failed(activity, service, original, e, _time.GetElapsedTime(start)))
        {
            throw;
        }
        finally
        {
            place?.Leave();
            retry?.End(wasSent: response is not null);
        }

    Done:
        if (isDelayed)
        {
            FaultInjector.Mark(response, FaultInjector.Delayed);
        }

        return client.FollowsRedirects && Redirects.IsRedirect(response)
            ? await FollowAsync(original, response, client, cancel).ConfigureAwait(false)
            : response;
    }

    /// <summary>In flight until the body is read or disposed; at once over if there is none.</summary>
    private static void Track(HttpResponseMessage response, EndpointState endpoint, DestinationBreaker? place, HttpRequestMessage original)
    {
        if (response.Content.Headers.ContentLength == 0 || original.Method == HttpMethod.Head
            || response.StatusCode is HttpStatusCode.NoContent or HttpStatusCode.NotModified)
        {
            endpoint.Leave();
            place?.Leave();
        }
        else
        {
            response.Content = new TrackedContent(response.Content, endpoint, place);
        }
    }

    /// <summary>Takes a place among the requests of a destination that limits them.</summary>
    private static DestinationBreaker? Enter(DestinationView view, DestinationState destination, HttpRequestMessage request, Exception? last) =>
        view.Breaker?.TryEnter(view.Endpoints.Length, request.Version.Major < 2) is { } limit
            ? throw new CircuitOpenException(destination.Name, limit.Name, limit.Value, $"{request.Method} {request.RequestUri}", last)
            : view.Breaker;

    /// <summary>Makes it the answer to what the caller has sent, with the headers that the route gives it.</summary>
    private static void Answer(HttpResponseMessage response, HttpRequestMessage original, Route route, RouteArm arm)
    {
        response.RequestMessage = original;
        arm.ResponseHeaders?.Apply(response);
        route.ResponseHeaders?.Apply(response);
    }

    /// <summary>An answer that speaks for the endpoint and not for the request; it is often a quick one, and must not attract more.</summary>
    private static bool CannotServe(HttpResponseMessage response) =>
        response.StatusCode is HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout;

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

    /// <summary>A gRPC call has its own deadline and may stream for hours: only what its route says holds for it.</summary>
    private (TimeSpan Total, TimeSpan PerTry) Timeouts(Route route, HttpRequestMessage request)
    {
        if (GrpcMessages.IsGrpc(request))
        {
            return (route.Timeout ?? TimeSpan.Zero, route.Retries.PerTryTimeout ?? TimeSpan.Zero);
        }

        // As in Istio, a route's own timeout is also the limit of each of its tries unless it gives one.
        return (route.Timeout ?? _options.Timeout,
            route.Retries.PerTryTimeout ?? (route.Timeout is null ? _options.PerTryTimeout : TimeSpan.Zero));
    }

    /// <summary>How long the next attempt may take; zero if the time is over, infinite if there is no limit.</summary>
    private TimeSpan Limit(TimeSpan total, TimeSpan perTry, long start, long now)
    {
        var left = total;
        if (total > TimeSpan.Zero && now != start)
        {
            left = total - _time.GetElapsedTime(start, now);
            if (left <= TimeSpan.Zero)
            {
                return TimeSpan.Zero;
            }
        }

        return left <= TimeSpan.Zero ? (perTry > TimeSpan.Zero ? perTry : Timeout.InfiniteTimeSpan)
            : perTry > TimeSpan.Zero && perTry < left ? perTry
            : left;
    }

    /// <summary>Whether another attempt can be made, and after what pause.</summary>
    private bool CanRetry(
        HttpRequestMessage request, DestinationState destination, EndpointState endpoint, AttemptFailure failure, int attempt,
        TimeSpan total, long start, DestinationView view, ref Retry? retry, out TimeSpan pause)
    {
        pause = failure == AttemptFailure.Unsent && attempt + 1 < view.Endpoints.Length + (view.Next?.Endpoints.Length ?? 0)
            ? TimeSpan.Zero
            : RetryDecision.Backoff(attempt + 1, _random.NextDouble());
        if (failure != AttemptFailure.Unsent && !RetryDecision.CanReplay(request.Content, ReplayCap))
        {
            Log.BodyNotReplayable(_logger, request.Method.Method, destination.Name, ReplayCap);
            return false;
        }

        if (total > TimeSpan.Zero && _time.GetElapsedTime(start) + pause >= total)
        {
            return false;
        }

        // Last, because it takes what others could use.
        retry ??= new Retry();
        if (retry.TryBegin(
            destination.Retries, view.MaxRetries, failure is not (AttemptFailure.Unsent or AttemptFailure.Refused), _time.GetTimestamp(), out var tell) is { } limit)
        {
            Refuse(destination, view, limit, tell);
            return false;
        }

        Log.Retrying(_logger, destination.Name, endpoint.Id, failure, attempt + 1);
        return true;
    }

    /// <summary>Says that there is no retry for want of budget; in the log only now and then, or an outage would fill it.</summary>
    private void Refuse(DestinationState destination, DestinationView view, string limit, bool tell)
    {
        if (limit == "RetryBudget")
        {
            _runtime.Resilience.OutOfBudget(_time.GetTimestamp());
        }

        _telemetry.RetryRefused(destination.Name, limit);
        if (tell)
        {
            Log.RetryRefused(_logger, destination.Name, limit, view.RetryBudget.Percent, view.RetryBudget.MinRetriesPerSecond, view.MaxRetries);
        }
    }

    /// <summary>Istio's PASSTHROUGH: the client's own handler dials the address as it is; the total timeout still holds.</summary>
    private async Task<HttpResponseMessage> PassThroughAsync(
        HttpRequestMessage request, string target, MeshHandler client, long start, TimeSpan total, CancellationToken cancel)
    {
        if (total <= TimeSpan.Zero)
        {
            return await client.PassThrough.SendAsync(request, cancel).ConfigureAwait(false);
        }

        var timeout = _timeouts.Rent(total, start);
        var response = default(HttpResponseMessage);
        try
        {
            using (cancel.UnsafeRegister(static state => ((AttemptTimeout)state!).Cancel(), timeout))
            {
                return response = await client.PassThrough.SendAsync(request, timeout.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException e) when (timeout.HasExpired && !cancel.IsCancellationRequested)
        {
            throw TooLate(target, request, start, total, 1, e);
        }
        catch (OperationCanceledException e) when (cancel.IsCancellationRequested)
        {
            throw new TaskCanceledException(e.Message, e, cancel);
        }
        finally
        {
            _timeouts.Return(timeout, canBeReused: request.Content is null || response is null);
        }
    }

    /// <summary>
    /// Where to, now that what was drawn has no endpoint: one that stands in for it, or itself after a wait for its first
    /// endpoints, but not beyond the request's own time.
    /// </summary>
    private async ValueTask<DestinationState> FindDestinationAsync(
        RouteArm arm, HttpRequestMessage request, Activity? activity, long start, TimeSpan total, CancellationToken cancel)
    {
        foreach (var other in arm.Failover ?? [])
        {
            await FollowAsync(other.Destination.Service, cancel).ConfigureAwait(false);
        }

        // Before the first view of all catalogs an empty destination is no reason to leave it.
        var port = request.RequestUri!.Port;
        if ((_runtime.Synced.IsCompleted || arm.Destination.ForPort(port).View.IsPanicking) && FailOver(arm, port, activity) is { } present)
        {
            return present;
        }

        var destination = arm.Destination.ForPort(port);
        using var limit = total > TimeSpan.Zero
            ? new CancellationTokenSource(TimeSpan.FromTicks(Math.Min(total.Ticks, s_longestWait.Ticks)), _time)
            : new CancellationTokenSource();
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
        try
        {
            if (arm.Failover is not null && !_runtime.Synced.IsCompleted)
            {
                await _runtime.WaitForSyncAsync(_options.FirstViewTimeout, waiting.Token).ConfigureAwait(false);
            }

            if (FailOver(arm, port, activity) is null)
            {
                await _runtime.FollowAsync(destination.Service.Name, waiting.Token).ConfigureAwait(false);
                await _runtime.WaitForEndpointsAsync(destination, waiting.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException e) when (!cancel.IsCancellationRequested)
        {
            throw TooLate(destination.Name, request, start, total, 0, e);
        }

        if (FailOver(arm, port, activity) is { } found)
        {
            return found;
        }

        var all = destination.Service.Endpoints.Length;
        var known = all == 0 ? "the service has none at all" : $"the service has {all}, none of which fits";
        known += arm.Failover is { } others
            ? $", and neither has any of {string.Join(", ", others.Select(static other => other.Destination.Name))}"
            : "";
        throw new NoHealthyEndpointException(
            destination.Name,
            $"{request.Method} {request.RequestUri}: the destination {destination.Name} has no endpoint that may take traffic ({known}).");
    }

    /// <summary>
    /// The arm's own destination if it can serve, else the first that stands in for it and can; one that panics only if none
    /// else can; null if none can.
    /// </summary>
    private static DestinationState? FailOver(RouteArm arm, int port, Activity? activity)
    {
        var own = arm.Destination.ForPort(port);
        if (CanServe(own) && !own.View.IsPanicking)
        {
            return own;
        }

        DestinationState? panicking = null;
        foreach (var other in arm.Failover ?? [])
        {
            var standIn = other.Destination.ForPort(port);
            if (!CanServe(standIn))
            {
                continue;
            }

            if (!standIn.View.IsPanicking)
            {
                activity?.SetTag(MeshClientTelemetry.DestinationTag, standIn.Name);
                return standIn;
            }

            panicking ??= standIn;
        }

        return CanServe(own) ? own : panicking;

        static bool CanServe(DestinationState destination) => destination.View is { } view && (view.Endpoints.Length > 0 || view.IsPassThrough);
    }

    private async Task<HttpResponseMessage> SendUnknownAsync(HttpRequestMessage request, MeshHandler client, CancellationToken cancel)
    {
        var host = request.RequestUri!.Host;
        if (await FindAsync(host, cancel).ConfigureAwait(false) is { } service)
        {
            return await SendFirstAsync(request, service, client, cancel).ConfigureAwait(false);
        }

        return _options.UnknownHosts == UnknownHosts.Allow
            ? await PassThroughAsync(request, host, client, _time.GetTimestamp(), _options.UnknownHostTimeout, cancel).ConfigureAwait(false)
            : throw new UnknownHostException(host);
    }

    /// <summary>Waits for the first view, and asks those that follow services on demand.</summary>
    private async ValueTask<ServiceState?> FindAsync(string host, CancellationToken cancel)
    {
        if (!_runtime.Synced.IsCompleted)
        {
            await _runtime.StartAsync(cancel).ConfigureAwait(false);
            await _runtime.WaitForSyncAsync(_options.FirstViewTimeout, cancel).ConfigureAwait(false);
            if (_runtime.Current.Find(host) is { } service)
            {
                return service;
            }
        }

        if (_runtime.FollowsOnDemand && _runtime.NameOf(host) is { } name)
        {
            await _runtime.FollowAsync(name, cancel).ConfigureAwait(false);
            return _runtime.Current.Find(host);
        }

        return null;
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

    private static MeshRejectedException Refused(ServiceState service, HttpRequestMessage request, RouteDecision decision) =>
        decision.DeniedBy is { } guard
            ? new IntentionDeniedException(guard.Source, guard.Destination, guard.Intention, $"{request.Method} {request.RequestUri}")
            : NoRoute(service, request);

    private static NoRouteException NoRoute(ServiceState service, HttpRequestMessage request) =>
        new(service.Name.ToString(),
            $"{request.Method} {request.RequestUri}: none of the {service.Routes.Routes.Length} routes of {service.Name} "
            + $"({service.Routes.Name}) matches. A last route without a match would catch all.");

    private DeadlineExceededException TooLate(
        string target, HttpRequestMessage request, long start, TimeSpan limit, int attempts, Exception? last) =>
        new($"{request.Method} {request.RequestUri}: no response from {target} within {limit.TotalSeconds:0.###} s "
            + $"(attempt {attempts}, {_time.GetElapsedTime(start).TotalSeconds:0.###} s in all).", last);

    private static partial class Log
    {
        [LoggerMessage(201, LogLevel.Information, "{Method} to {Destination} is not tried again: its body cannot be sent twice (not in memory, not seekable, or over {Cap} bytes).")]
        public static partial void BodyNotReplayable(ILogger logger, string method, string destination, long cap);

        [LoggerMessage(202, LogLevel.Debug, "Attempt {Attempt} to {Destination} at {Endpoint} failed ({Failure}); trying again.")]
        public static partial void Retrying(ILogger logger, string destination, string endpoint, AttemptFailure failure, int attempt);

        [LoggerMessage(203, LogLevel.Warning, "{Destination} gets no more retries for now: {Limit} (budget {Percent} % of requests and {PerSecond}/s; at most {MaxRetries} at once). Callers get the failure itself.")]
        public static partial void RetryRefused(ILogger logger, string destination, string limit, double percent, int perSecond, int? maxRetries);
    }
}
