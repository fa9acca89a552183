using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime.Balancing;

namespace Mesh.Discovery.Runtime.Resilience;

/// <summary>
/// Asks all endpoints of a service now and then whether they are well, and leaves out those that say no or nothing (Envoy: active
/// health checking).
/// </summary>
/// <remarks>
/// An endpoint counts as well until it has failed often enough, so that a process can call at once and a check that cannot work
/// harms nobody who is well. Where too few pass, the checks are ignored: rather they are wrong than all endpoints at once. Checks of
/// one endpoint never overlap; the first comes within a second at random, so that the processes of a fleet do not check together.
/// </remarks>
internal sealed class HealthChecker(ServiceState service, ResilienceContext context, IEndpointProber prober, HealthCheckConfig settings)
{
    private readonly Dictionary<EndpointState, Check> _checks = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<DestinationState> _panicking = new(ReferenceEqualityComparer.Instance);

    public HealthCheckConfig Settings { get; } = settings;

    /// <summary>Begins with new endpoints, and ends with those that are gone.</summary>
    public void Update_NeedsLock(EndpointState[] endpoints)
    {
        var present = new HashSet<EndpointState>(endpoints, ReferenceEqualityComparer.Instance);
        foreach (var (endpoint, check) in _checks)
        {
            if (!present.Contains(endpoint))
            {
                check.Stop();
                _checks.Remove(endpoint);
            }
        }

        foreach (var endpoint in endpoints)
        {
            if (!_checks.ContainsKey(endpoint))
            {
                _checks[endpoint] = new Check(this, endpoint);
            }
        }
    }

    /// <summary>Of a destination's endpoints those that are well; all if that leaves too few.</summary>
    /// <param name="destination">The destination.</param>
    /// <param name="selection">Its endpoints.</param>
    /// <param name="isCovered">Whether those that are left can take all the traffic however few they are; null: they cannot.</param>
    /// <param name="isPanicking">Whether the checks are ignored.</param>
    public List<EndpointState> Select_NeedsLock(
        DestinationState destination, EndpointSelection selection, Func<List<EndpointState>, bool>? isCovered, out bool isPanicking)
    {
        var candidates = selection.Healthy;
        var all = selection.All.Count;
        var passing = candidates.FindAll(endpoint => !Fails(endpoint));
        isPanicking = passing.Count < candidates.Count && passing.Count * 100L < (long)Settings.MinHealthPercent * all
            && isCovered?.Invoke(passing) != true;
        if (isPanicking ? _panicking.Add(destination) : _panicking.Remove(destination))
        {
            context.Events.IgnoresChecks(destination.Name, isPanicking, passing.Count, all, Settings.MinHealthPercent);
        }

        return isPanicking ? candidates : passing;
    }

    /// <summary>What is wrong with an endpoint; null if nothing is.</summary>
    public string? ProblemOf(EndpointState endpoint)
    {
        lock (service.Sync)
        {
            return _checks.GetValueOrDefault(endpoint) is { Fails: true } check ? check.Problem : null;
        }
    }

    public void Stop_NeedsLock()
    {
        foreach (var check in _checks.Values)
        {
            check.Stop();
        }

        _checks.Clear();
        foreach (var destination in _panicking)
        {
            context.Events.IgnoresChecks(destination.Name, false, 0, 0, 0);
        }

        _panicking.Clear();
    }

    private bool Fails(EndpointState endpoint) => _checks.GetValueOrDefault(endpoint) is { Fails: true };

    /// <summary>The checks of one endpoint.</summary>
    private sealed class Check
    {
        private static readonly TimeSpan s_shortestPause = TimeSpan.FromMilliseconds(1);

        private readonly HealthChecker _owner;
        private readonly EndpointState _endpoint;
        private readonly CancellationTokenSource _stop = new();
        private int _inARow;

        public Check(HealthChecker owner, EndpointState endpoint)
        {
            _owner = owner;
            _endpoint = endpoint;

            // Not in the context of whoever made the endpoint known. Its pause lets go of the lock that is held here.
            using (ExecutionContext.SuppressFlow())
            {
                _ = RunAsync();
            }
        }

        /// <summary>Whether it is left out. Under the service's lock, as the next one.</summary>
        public bool Fails { get; private set; }

        public string Problem { get; private set; } = "";

        public void Stop()
        {
            _stop.Cancel();
            if (Fails)
            {
                Fails = false;
                _owner.Context.Events.Passes(_owner.Service, _endpoint.Id, isGone: true);
            }
        }

        private async Task RunAsync()
        {
            var (context, settings) = (_owner.Context, _owner.Settings);
            var first = s_shortestPause + (TimeSpan.FromSeconds(Math.Min(1, settings.Interval.TotalSeconds)) * context.Random.NextDouble());
            try
            {
                await Task.Delay(first, context.Time, _stop.Token).ConfigureAwait(false);
                while (true)
                {
                    var problem = await ProbeAsync(settings, context.Time).ConfigureAwait(false);
                    try
                    {
                        Note(problem);
                    }
                    catch (Exception e)
                    {
                        // The next check must come whatever has gone wrong with this one's consequences.
                        context.Events.CheckFailed(_owner.Service, _endpoint.Id, e);
                    }

                    await Task.Delay(settings.Interval, context.Time, _stop.Token).ConfigureAwait(false);
                }
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                // The endpoint is gone, or nobody wants to know any more.
            }
        }

        private async Task<string?> ProbeAsync(HealthCheckConfig settings, TimeProvider time)
        {
            using var limit = new CancellationTokenSource(settings.Timeout, time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, _stop.Token);
            try
            {
                return await _owner.Prober.ProbeAsync(_endpoint, settings, both.Token).ConfigureAwait(false);
            }
            catch (Exception e) when (!_stop.IsCancellationRequested)
            {
                return limit.IsCancellationRequested ? $"no answer within {settings.Timeout.TotalSeconds:0.###} s" : e.Message;
            }
        }

        private void Note(string? problem)
        {
            var service = _owner.ServiceState;
            lock (service.Sync)
            {
                if (_stop.IsCancellationRequested)
                {
                    return;
                }

                Problem = problem ?? Problem;
                var settings = _owner.Settings;
                _inARow = Fails == (problem is null) ? _inARow + 1 : 0;
                if (_inARow < (Fails ? settings.HealthyThreshold : settings.UnhealthyThreshold))
                {
                    return;
                }

                _inARow = 0;
                Fails = !Fails;
                if (Fails)
                {
                    _owner.Context.Events.Fails(_owner.Service, _endpoint.Id, settings.UnhealthyThreshold, Problem);
                }
                else
                {
                    _owner.Context.Events.Passes(_owner.Service, _endpoint.Id, isGone: false);
                }

                service.RenewViews_NeedsLock();
            }
        }
    }

    private ResilienceContext Context => context;

    private IEndpointProber Prober => prober;

    private ServiceState ServiceState => service;

    private string Service => service.Name.ToString();
}
