using System.Net.Http.Json;
using Mesh.Client.LoadBalancing;
using Mesh.Client.Telemetry;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Runtime.Resilience;

namespace Mesh.Client.Pipeline;

/// <summary>
/// Sends an attempt, and a further one elsewhere when that takes long; the first good answer wins, the others are cancelled at
/// once ("The Tail at Scale"). Safe for concurrent use.
/// </summary>
/// <remarks>
/// To the pipeline all of it is one attempt: that of the winner. The others are accounted for here: in flight until they have
/// really ended, a failed one told to balancer and detector, a cancelled one to the balancer with the time that it had. A
/// hedge takes from the destination's cap of extra load and from its retry budget.
/// </remarks>
internal sealed class HedgeSender
{
    private readonly AttemptSender _sender;
    private readonly MeshClientTelemetry _telemetry;
    private readonly TimeProvider _time;
    private readonly Timestamps _timestamps;

    public HedgeSender(AttemptSender sender, MeshClientTelemetry telemetry, TimeProvider time)
    {
        _sender = sender;
        _telemetry = telemetry;
        _time = time;
        _timestamps = new Timestamps(time);
    }

    /// <summary>The hedged attempt that a request makes; null if it must not be sent twice.</summary>
    public HedgedAttempt? Begin(
        HedgingConfig policy, HttpRequestMessage request, DestinationState destination, DestinationView view, EndpointPicker picker,
        EndpointState endpoint, Retry? retry, bool keepsTrace, long start, long end, long ownEnd) =>
        view.Endpoints.Length > 1 && (policy.AnyMethod || RetryDecision.IsIdempotent(request))
            && (CanSendTwice(request.Content) || RecordedBody.Of(request.Content) is not null)
            ? new HedgedAttempt(policy, request, view, keepsTrace, retry)
            {
                Destination = destination, Picker = picker, End = end, OwnEnd = ownEnd, Tried = [endpoint], Endpoint = endpoint, Start = start,
            }
            : null;

    public async Task<HttpResponseMessage> SendAsync(HedgedAttempt attempt, CancellationToken cancel)
    {
        var state = attempt.Destination.Hedges;
        state.Deposit(attempt.Policy.MaxExtraPercent);
        var start = attempt.Start;
        var legs = new List<Leg>(2) { new(this, attempt, attempt.Endpoint, attempt.Request, start, isHedge: false, cancel) };
        var left = attempt.Policy.Attempts;
        while (true)
        {
            var delay = left == 0 ? null : attempt.Policy.Delay ?? state.Latencies.Percentile(attempt.Policy.Percentile);
            if (delay is { } pause && await TakesLongerAsync(legs, pause, cancel).ConfigureAwait(false))
            {
                left = TryHedge(attempt, legs, state, cancel) ? left - 1 : 0;
                continue;
            }

            await Task.WhenAny(legs.Select(static leg => leg.Task)).ConfigureAwait(false);
            var done = legs.Find(static leg => leg.Task.IsCompleted)!;
            var isOver = cancel.IsCancellationRequested;
            if (legs.Count > 1 && !done.IsGood && !isOver)
            {
                legs.Remove(done);
                done.End(AttemptEnd.Failed);
                continue;
            }

            // When the time is over and not the caller gone, nobody has answered in it.
            var end = isOver && _time.GetTimestamp() >= attempt.End ? AttemptEnd.Failed : AttemptEnd.Overtaken;
            legs.Remove(done);
            foreach (var loser in legs)
            {
                loser.End(end);
            }

            attempt.Endpoint = done.Endpoint;
            attempt.Start = done.Start;
            try
            {
                return await done.Task.ConfigureAwait(false);
            }
            finally
            {
                if (done.IsGood)
                {
                    // Of the whole, so that what a hedge has cut short is not taken for quick.
                    state.Latencies.Record(_timestamps.Between(start, _time.GetTimestamp()));
                }

                done.Win();
            }
        }
    }

    /// <summary>Only what is in memory: a stream has one reader at a time.</summary>
    public static bool CanSendTwice(HttpContent? content) =>
        content is null or ByteArrayContent or ReadOnlyMemoryContent or JsonContent && RetryDecision.CanReplay(content, RetryGate.ReplayCap);

    /// <summary>Waits for one of them; true if the delay is over before.</summary>
    private async Task<bool> TakesLongerAsync(List<Leg> legs, TimeSpan delay, CancellationToken cancel)
    {
        if (legs.Exists(static leg => leg.Task.IsCompleted))
        {
            return false;
        }

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var timer = Task.Delay(delay, _time, stop.Token);
        var first = await Task.WhenAny(legs.Select(static leg => (Task)leg.Task).Append(timer)).ConfigureAwait(false);

        // Here and now: nobody waits for the timer any more, and there is nothing else to call.
        stop.Cancel();
        return first == timer && timer.IsCompletedSuccessfully;
    }

    /// <summary>Starts another attempt at an endpoint that has had none; false if there is none, or no budget.</summary>
    private bool TryHedge(HedgedAttempt attempt, List<Leg> legs, HedgeState state, CancellationToken cancel)
    {
        if (attempt.View.Circuit is { Refuses: true })
        {
            return false;
        }

        EndpointState endpoint;
        HttpRequestMessage? copy;
        try
        {
            // All that is others' code comes before the budgets.
            var context = new PickContext(attempt.Request, [.. attempt.Retry?.Tried ?? [], .. attempt.Tried]);
            endpoint = attempt.Picker.Pick(context);
            copy = context.WasTried(endpoint) ? null : Copy(attempt);
        }
        catch
        {
            // A balancer of the application has failed; what is under way is of no use any more.
            foreach (var leg in legs)
            {
                leg.End(leg.Endpoint == attempt.Endpoint ? AttemptEnd.Abandoned : AttemptEnd.Overtaken);
            }

            throw;
        }

        if (copy is null)
        {
            return false;
        }

        var now = _time.GetTimestamp();
        if (!state.TryTake())
        {
            _telemetry.Hedged(attempt.Destination.Name, "refused");
            return false;
        }

        // Not the same as a retry that is refused: nothing has failed.
        if (attempt.Destination.Retries.TryRetry(now, attempt.View.MaxRetries, isActive: false, wasSent: true, out _, out _) is not null)
        {
            state.GiveBack();
            _telemetry.Hedged(attempt.Destination.Name, "refused");
            return false;
        }

        if (attempt.IsInMesh)
        {
            // The priority is among the headers that were copied.
            TravellingHeaders.Set(copy, _timestamps, now, attempt.End, attempt.OwnEnd, null);
        }

        endpoint.Enter();
        attempt.Tried.Add(endpoint);
        legs.Add(new Leg(this, attempt, endpoint, copy, now, isHedge: true, cancel));
        return true;
    }

    /// <summary>The request for one more endpoint; null if its body is not there yet.</summary>
    private static HttpRequestMessage? Copy(HedgedAttempt attempt)
    {
        var copy = RequestCopy.Create(attempt.Request, attempt.Request.RequestUri!);
        if (RecordedBody.Of(copy.Content) is { } recorded)
        {
            if (recorded.Snapshot() is not { } body)
            {
                return null;
            }

            copy.Content = body;
        }

        copy.Headers.Remove(Retry.AttemptHeader);
        if (attempt.IsInMesh)
        {
            copy.Headers.TryAddWithoutValidation(
                Retry.AttemptHeader, Retry.NumberText((attempt.Retry?.Tried.Length ?? 0) + attempt.Tried.Count + 1));
        }

        if (!attempt.KeepsTrace)
        {
            // The first one's, which its transport put there.
            copy.Headers.Remove("traceparent");
            copy.Headers.Remove("tracestate");
        }

        return copy;
    }

    /// <summary>What becomes of an attempt that does not answer the request.</summary>
    private enum AttemptEnd
    {
        /// <summary>Another one was quicker. That speaks against nobody: each of two has a quicker one now and then.</summary>
        Overtaken,

        /// <summary>It has failed, or had no answer when the time was over.</summary>
        Failed,

        /// <summary>The pipeline goes on accounting for its endpoint.</summary>
        Abandoned,
    }

    /// <summary>One of the attempts that race.</summary>
    private sealed class Leg
    {
        private readonly HedgeSender _owner;
        private readonly HedgedAttempt _attempt;
        private readonly CancellationTokenSource _cancel;
        private readonly bool _isHedge;

        public Leg(
            HedgeSender owner, HedgedAttempt attempt, EndpointState endpoint, HttpRequestMessage request, long start, bool isHedge, CancellationToken cancel)
        {
            _owner = owner;
            _attempt = attempt;
            _isHedge = isHedge;
            Endpoint = endpoint;
            Start = start;
            _cancel = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            Task = SendAsync(request);
        }

        public EndpointState Endpoint { get; }

        public long Start { get; }

        public Task<HttpResponseMessage> Task { get; }

        /// <summary>Whether it has an answer that is worth more than waiting for another one.</summary>
        public bool IsGood => Task.IsCompletedSuccessfully && AttemptResults.IsAnswer(Task.Result);

        /// <summary>Its answer, or failure, is that of the request.</summary>
        public void Win()
        {
            // Unties it from the pipeline's token without cancelling, because its body may still be on its way.
            _cancel.Dispose();
            EndHedge(IsGood ? "won" : "lost");
        }

        /// <summary>Gives it up.</summary>
        public void End(AttemptEnd end)
        {
            _cancel.Cancel();
            _ = EndAsync(end);
        }

        /// <summary>Whatever it throws is in the task.</summary>
        private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request) =>
            await _owner._sender.SendAsync(_attempt.Destination, _attempt.View, Endpoint, request, _cancel.Token).ConfigureAwait(false);

        private async Task EndAsync(AttemptEnd end)
        {
            HttpResponseMessage? response = null;
            try
            {
                response = await Task.ConfigureAwait(false);
            }
            catch (Exception)
            {
                // Another one has the request's answer; what this one has to say is its outcome, below.
            }

            if (end != AttemptEnd.Abandoned)
            {
                Endpoint.Leave();
                var now = _owner._time.GetTimestamp();
                if (_attempt.Picker.MeasuresLatency)
                {
                    var hasFailed = end == AttemptEnd.Failed && (response is null || AttemptResults.CannotServe(response));
                    _attempt.Picker.OnCompleted(Endpoint, new AttemptOutcome(_owner._timestamps.Between(Start, now), hasFailed, now));
                }

                if (end == AttemptEnd.Failed && _attempt.View.IsReported)
                {
                    _owner._sender.Report(_attempt.View, Endpoint, AttemptResults.Of(response));
                }
            }

            response?.Dispose();
            _cancel.Dispose();
            EndHedge("lost");
        }

        private void EndHedge(string outcome)
        {
            if (_isHedge)
            {
                _attempt.Destination.Retries.EndRetry();
                _owner._telemetry.Hedged(_attempt.Destination.Name, outcome);
            }
        }
    }
}

/// <summary>An attempt that may be sent twice, and in the end who answered it.</summary>
internal sealed class HedgedAttempt(HedgingConfig policy, HttpRequestMessage request, DestinationView view, bool keepsTrace, Retry? retry)
{
    public HedgingConfig Policy { get; } = policy;

    public HttpRequestMessage Request { get; } = request;

    public DestinationView View { get; } = view;

    /// <summary>Whether the request's trace context is the caller's own.</summary>
    public bool KeepsTrace { get; } = keepsTrace;

    public Retry? Retry { get; } = retry;

    public required DestinationState Destination { get; init; }

    public required EndpointPicker Picker { get; init; }

    /// <summary>When the attempt must be over.</summary>
    public required long End { get; init; }

    /// <summary>When a gRPC call must be over by its caller's word; never if that says nothing.</summary>
    public required long OwnEnd { get; init; }

    /// <summary>Whether endpoints belong to the mesh, and are told what is between caller and callee.</summary>
    public bool IsInMesh => !Destination.Service.Name.IsExternal;

    /// <summary>All endpoints that had it, the last one of them last.</summary>
    public required List<EndpointState> Tried { get; init; }

    /// <summary>The first one's; afterwards the winner's, or that of the last one that failed.</summary>
    public required EndpointState Endpoint { get; set; }

    /// <summary>When that one was sent.</summary>
    public required long Start { get; set; }
}
