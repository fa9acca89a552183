using System.Runtime.ExceptionServices;
using Mesh.Client.Pipeline;
using Mesh.Discovery;
using Mesh.Discovery.Runtime.Resilience;
using Polly;
using Polly.CircuitBreaker;
using CircuitState = Mesh.Discovery.Runtime.Resilience.CircuitState;
using PollyState = Polly.CircuitBreaker.CircuitState;

namespace Mesh.Client.Resilience;

/// <summary>Polly's circuit breaker, for one destination. Safe for concurrent use.</summary>
/// <remarks>
/// To Polly every execution is a success or a failure. An attempt that its caller cancels is neither, so attempts do not run inside
/// of it while it is closed: it is told of those that count when they have ended. Once it is open an attempt runs inside of it,
/// because then Polly decides whether it may; and one without a good answer, for whatever reason, leaves it open.
/// </remarks>
internal sealed class FailureRateBreaker
{
    private readonly DestinationCircuit _circuit;
    private readonly TimeProvider _time;
    private readonly CircuitBreakerStateProvider _state = new();
    private readonly ResiliencePipeline<bool> _breaker;

    public FailureRateBreaker(DestinationCircuit circuit, CircuitBreakerConfig settings, TimeProvider time)
    {
        _circuit = circuit;
        _time = time;
        Settings = settings;
        _breaker = new ResiliencePipelineBuilder<bool> { Name = "mesh", InstanceName = circuit.Destination, TimeProvider = time }
            .AddCircuitBreaker(new CircuitBreakerStrategyOptions<bool>
            {
                FailureRatio = settings.FailureRatio,
                MinimumThroughput = settings.MinimumThroughput,
                SamplingDuration = settings.SamplingDuration,
                ShouldHandle = static args => new ValueTask<bool>(args.Outcome is { Exception: null, Result: false }),
                BreakDurationGenerator = args => new ValueTask<TimeSpan>(Open(args.FailureRate, args.FailureCount)),
                OnHalfOpened = _ => FollowAsync(),
                OnClosed = _ => FollowAsync(),
                StateProvider = _state,
            })
            .Build();
    }

    /// <summary>What it counts by.</summary>
    public CircuitBreakerConfig Settings { get; }

    public void Report(bool isGood)
    {
        try
        {
            _breaker.Execute(static isGood => isGood, isGood);
        }
        catch (BrokenCircuitException)
        {
            // Opened by another report at this moment.
            Follow();
        }
    }

    /// <returns>The answer; null if nothing was sent, because the breaker does not let it through.</returns>
    public async Task<HttpResponseMessage?> ProbeAsync(Func<Task<HttpResponseMessage>> send)
    {
        var probe = new Probe(send);
        var context = ResilienceContextPool.Shared.Get(continueOnCapturedContext: false);
        try
        {
            var outcome = await _breaker.ExecuteOutcomeAsync(
                static async (_, probe) => Outcome.FromResult(await probe.SendAsync().ConfigureAwait(false)), context, probe).ConfigureAwait(false);
            if (outcome.Exception is not (null or BrokenCircuitException))
            {
                ExceptionDispatchInfo.Throw(outcome.Exception);
            }
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
            Follow();
        }

        probe.Error?.Throw();
        return probe.Response;
    }

    /// <summary>Called under Polly's lock, so that the circuit is open before anybody else can ask. The pause may have changed since the breaker was made.</summary>
    private TimeSpan Open(double failureRate, int failures)
    {
        var pause = _circuit.Settings.BreakDuration;
        if (ReferenceEquals(Volatile.Read(ref _circuit.Strategy), this))
        {
            _circuit.Opened(_time.GetUtcNow() + pause, failureRate, failures);
        }

        return pause;
    }

    /// <summary>Makes the circuit say what Polly says; again if that changes meanwhile.</summary>
    private void Follow()
    {
        PollyState state;
        do
        {
            state = _state.CircuitState;
            if (!ReferenceEquals(Volatile.Read(ref _circuit.Strategy), this))
            {
                break;
            }

            _circuit.Became(state switch
            {
                PollyState.Closed => CircuitState.Closed,
                PollyState.HalfOpen => CircuitState.HalfOpen,
                _ => CircuitState.Open,
            });
        }
        while (state != _state.CircuitState);
    }

    private ValueTask FollowAsync()
    {
        Follow();
        return ValueTask.CompletedTask;
    }

    /// <summary>The attempt that is let through.</summary>
    private sealed class Probe(Func<Task<HttpResponseMessage>> send)
    {
        public HttpResponseMessage? Response { get; private set; }

        public ExceptionDispatchInfo? Error { get; private set; }

        /// <returns>Whether the answer is a good one.</returns>
        public async Task<bool> SendAsync()
        {
            try
            {
                Response = await send().ConfigureAwait(false);
                return AttemptResults.Of(Response) == AttemptResult.Good;
            }
            catch (Exception e)
            {
                Error = ExceptionDispatchInfo.Capture(e);
                return false;
            }
        }
    }
}
