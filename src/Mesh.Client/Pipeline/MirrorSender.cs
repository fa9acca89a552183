using System.Diagnostics;
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
/// Sends copies of requests to mirrors, and forgets their answers.
/// </summary>
/// <remarks>
/// <para>A mirror never affects the original: the caller's thread draws, and copies headers and a small body; all the rest runs
/// elsewhere, under a time limit of its own, without the caller's token or execution context. Whatever goes wrong is counted
/// and logged here.</para>
/// <para>A copy is one attempt: it is balanced and counts as in flight like any other, but it has no retries, no faults and no
/// mirrors. At most <see cref="OutboundOptions.MaxActiveMirrors"/> are under way, each with at most 64 KiB of body; further ones
/// are left out. The end of the process cancels them.</para>
/// </remarks>
internal sealed partial class MirrorSender : IDisposable, IAsyncDisposable
{
    /// <summary>What of an answer is read so that its connection can be used again; a longer one costs the connection.</summary>
    private const int MaxDiscarded = 1024 * 1024;

    private readonly MeshRuntime _runtime;
    private readonly PickerCache _pickers;
    private readonly EndpointTransport _transport;
    private readonly MeshClientTelemetry _telemetry;
    private readonly TimeProvider _time;
    private readonly IRandomSource _random;
    private readonly ILogger<MirrorSender> _logger;
    private readonly int _max;
    private readonly TimeSpan _timeout;
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _idle = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _active;
    private bool _isStopping;

    public MirrorSender(
        MeshRuntime runtime,
        PickerCache pickers,
        EndpointTransport transport,
        MeshClientTelemetry telemetry,
        MeshOptions options,
        TimeProvider time,
        IRandomSource random,
        ILogger<MirrorSender> logger)
    {
        _runtime = runtime;
        _pickers = pickers;
        _transport = transport;
        _telemetry = telemetry;
        _time = time;
        _random = random;
        _logger = logger;
        _max = options.Outbound.MaxActiveMirrors;
        _timeout = options.Outbound.MirrorTimeout;
    }

    public int Active => Volatile.Read(ref _active);

    /// <summary>Draws for each mirror of the route, and sends copies of the request, which must not be under way yet. Never throws.</summary>
    /// <param name="request">As the route has changed it.</param>
    /// <param name="route">The route.</param>
    /// <param name="cap">The largest body that is copied.</param>
    /// <param name="parent">The original's span, if there is one.</param>
    public void Send(HttpRequestMessage request, Route route, long cap, Activity? parent)
    {
        byte[]? body = null;
        bool? canCopy = null;
        foreach (var mirror in route.Mirrors)
        {
            if (!mirror.Share.Draw(_random))
            {
                continue;
            }

            var service = mirror.Target.Destination.Service;
            if (!TryEnter())
            {
                _telemetry.MirrorSkipped(service, "limit");
                continue;
            }

            var isSent = false;
            try
            {
                // An upgraded connection is a conversation, of which a copy makes no sense.
                canCopy ??= !request.Headers.NonValidated.Contains("Upgrade") && request.Method != HttpMethod.Connect
                    && MirrorRequest.TryCopyBody(request.Content, cap, out body);
                if (canCopy != true)
                {
                    _telemetry.MirrorSkipped(service, "body");
                    continue;
                }

                var copy = MirrorRequest.Create(request, body);
                var activity = _telemetry.CreateMirror(mirror.Target.Destination, parent);
                if (activity is null)
                {
                    MirrorRequest.InjectTrace(copy, parent ?? Activity.Current);
                }

                Start(copy, mirror.Target, activity);
                isSent = true;
            }
            catch (Exception e)
            {
                // The body or the headers are the application's own objects; what they throw is not the original's matter.
                canCopy = false;
                _telemetry.MirrorSkipped(service, "error");
                Log.NotCopied(_logger, mirror.Target.Destination.Name, e);
            }
            finally
            {
                if (!isSent)
                {
                    Leave();
                }
            }
        }
    }

    /// <summary>Sends no more, cancels what is under way, and waits until that is gone.</summary>
    public async Task StopAsync()
    {
        Volatile.Write(ref _isStopping, true);
        await _stop.CancelAsync().ConfigureAwait(false);

        // The number is looked at after the flag is set, and by leavers in the other order.
        Interlocked.MemoryBarrier();
        if (Active > 0)
        {
            await _idle.Task.ConfigureAwait(false);
        }
    }

    /// <summary>As <see cref="StopAsync"/>, without waiting.</summary>
    public void Dispose()
    {
        Volatile.Write(ref _isStopping, true);
        _stop.Cancel();
    }

    public async ValueTask DisposeAsync() => await StopAsync().ConfigureAwait(false);

    private bool TryEnter()
    {
        if (Interlocked.Increment(ref _active) <= _max && !Volatile.Read(ref _isStopping))
        {
            return true;
        }

        Leave();
        return false;
    }

    private void Leave()
    {
        if (Interlocked.Decrement(ref _active) == 0 && Volatile.Read(ref _isStopping))
        {
            _idle.TrySetResult();
        }
    }

    /// <summary>On another thread, without what flows with the caller.</summary>
    private void Start(HttpRequestMessage copy, RouteArm target, Activity? activity) =>
        ThreadPool.UnsafeQueueUserWorkItem(
            static work => _ = work.Owner.RunAsync(work.Copy, work.Target, work.Activity),
            (Owner: this, Copy: copy, Target: target, Activity: activity),
            preferLocal: false);

    private async Task RunAsync(HttpRequestMessage copy, RouteArm target, Activity? activity)
    {
        var start = _time.GetTimestamp();
        var service = target.Destination.Service;
        activity?.Start();
        try
        {
            using var limit = new CancellationTokenSource(_timeout, _time);
            using var stopping = _stop.Token.UnsafeRegister(static state => ((CancellationTokenSource)state!).Cancel(), limit);
            await _runtime.FollowAsync(service, limit.Token).ConfigureAwait(false);
            var destination = target.Destination.ForPort(copy.RequestUri!.Port);
            var view = destination.View;
            if (view.Endpoints.Length == 0)
            {
                // Neither waited for nor dialled by name: a mirror is not worth that.
                _telemetry.MirrorSkipped(service, "no_endpoint");
                return;
            }

            if (view.Circuit is { } circuit && circuit.State != CircuitState.Closed)
            {
                _telemetry.MirrorSkipped(service, "circuit");
                return;
            }

            var status = await SendAsync(copy, view, limit.Token).ConfigureAwait(false);
            _telemetry.MirrorEnded(service, activity, status, null, _time.GetElapsedTime(start));
        }
        catch (Exception e)
        {
            // Nobody else hears of it.
            _telemetry.MirrorEnded(service, activity, 0, e, _time.GetElapsedTime(start));
            Log.Failed(_logger, target.Destination.Name, e);
        }
        finally
        {
            activity?.Dispose();
            copy.Dispose();
            Leave();
        }
    }

    private async Task<int> SendAsync(HttpRequestMessage copy, DestinationView view, CancellationToken cancel)
    {
        var start = _time.GetTimestamp();
        var picker = _pickers.Get(view);
        var endpoint = picker.Pick(new PickContext(copy, []));
        var failed = true;
        var headers = 0L;
        endpoint.Enter();
        try
        {
            using var response = await _transport.Get(endpoint).SendAsync(copy, cancel).ConfigureAwait(false);
            headers = _time.GetTimestamp();
            failed = AttemptResults.CannotServe(response);
            await DiscardAsync(response, cancel).ConfigureAwait(false);
            return (int)response.StatusCode;
        }
        finally
        {
            endpoint.Leave();
            if (picker.MeasuresLatency)
            {
                // An attempt that the end of the process cut short says nothing of the endpoint.
                var end = headers == 0 ? _time.GetTimestamp() : headers;
                picker.OnCompleted(endpoint, new AttemptOutcome(_time.GetElapsedTime(start, end), failed && !_stop.IsCancellationRequested, end));
            }
        }
    }

    private static async Task DiscardAsync(HttpResponseMessage response, CancellationToken cancel)
    {
        using var stream = await response.Content.ReadAsStreamAsync(cancel).ConfigureAwait(false);
        var buffer = new byte[4096];
        for (var left = MaxDiscarded; left > 0;)
        {
            var read = await stream.ReadAsync(buffer, cancel).ConfigureAwait(false);
            if (read == 0)
            {
                return;
            }

            left -= read;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(204, LogLevel.Debug, "A mirrored request to {Destination} failed.")]
        public static partial void Failed(ILogger logger, string destination, Exception error);

        [LoggerMessage(205, LogLevel.Warning, "A request could not be copied for the mirror {Destination}; the original is not affected.")]
        public static partial void NotCopied(ILogger logger, string destination, Exception error);
    }
}
