using System.Net;
using Mesh.Discovery.Consul.Chains;
using Mesh.Discovery.Consul.Intentions;
using Mesh.Discovery.Rules;
using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Consul;

/// <summary>
/// Consul's own rules: routers, splitters and resolvers, as Consul itself puts them together for each service that is
/// called, and the intentions.
/// </summary>
internal sealed partial class ConsulConfigEntries : IOnDemandRuleSource
{
    private readonly ConsulConnection _consul;
    private readonly MeshOptions _options;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, FollowedChain> _followed = new(StringComparer.OrdinalIgnoreCase);
    private readonly ConsulChains _chains;
    private readonly ConsulIntentions _intentions;

    /// <summary>Only who has certificates can tell callers apart, and so has a use for it.</summary>
    private readonly ConsulIntentionDefault? _default;
    private Action<RuleBatch>? _publish;
    private CancellationToken _stop;
    private RuleBatch _chainRules = RuleBatch.Empty;
    private RuleBatch _intentionRules = RuleBatch.Empty;
    private bool _areIntentionsKept;

    /// <summary>The destinations of the intentions.</summary>
    private string[] _guarded = [];

    public ConsulConfigEntries(ConsulConnection consul, MeshOptions options)
    {
        _consul = consul;
        _options = options;
        _chains = new ConsulChains(options.Namespace);
        _intentions = new ConsulIntentions(options.Namespace);
        _default = options.Security.IsOn && options.Service.Length > 0 ? new ConsulIntentionDefault(consul, options.Service, PublishDefault) : null;
    }

    public string Name => "consul config entries";

    public int Precedence => RulePrecedence.ConsulConfigEntries;

    public async Task WatchAsync(Action<RuleBatch> publish, CancellationToken stop)
    {
        var rules = _options.Config.Consul;
        if (!rules.Intentions)
        {
            publish(RuleBatch.Empty);
        }

        lock (_lock)
        {
            _publish = publish;
            _stop = stop;
            foreach (var chain in _followed.Values)
            {
                Start(chain);
            }
        }

        if (rules.Intentions)
        {
            var watch = new ConsulWatch<IReadOnlyList<ConsulIntention?>>(_consul, ConsulQueries.Intentions(_consul.Options), TakeIntentionsAsync);
            await Task.WhenAll(watch.RunAsync(stop), _default?.RunAsync(stop) ?? Task.CompletedTask).ConfigureAwait(false);
        }
        else
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, _consul.Time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        Task[] ending;
        lock (_lock)
        {
            ending = [.. _followed.Values.Select(static chain => chain.Running)];
            _followed.Clear();
            _publish = null;
        }

        await Task.WhenAll(ending).ConfigureAwait(false);
    }

    public Task FollowAsync(ServiceName service)
    {
        // Consul puts chains together for its own datacenter; of another one only the instances are seen.
        if (!_options.Config.Consul.ConfigEntries || ConsulServiceName.From(service) is not { Datacenter: null } name
            || !service.Namespace.Equals(_options.Namespace, StringComparison.OrdinalIgnoreCase))
        {
            return Task.CompletedTask;
        }

        lock (_lock)
        {
            if (!_followed.TryGetValue(service.Host, out var chain))
            {
                _followed[service.Host] = chain = new FollowedChain(this, name);
                if (_publish is not null)
                {
                    Start(chain);
                }
            }

            return chain.Told;
        }
    }

    /// <summary>Ends the following of a service that the catalog has given up.</summary>
    public void Forget(ServiceName service)
    {
        FollowedChain? chain;
        lock (_lock)
        {
            if (!_followed.Remove(service.Host, out chain))
            {
                return;
            }

            // Whatever it still tells is not heard any more.
            chain.IsForgotten = true;
            Take(chain.Service, null);
        }

        chain.Forget();
    }

    private void Start(FollowedChain chain)
    {
        using (ExecutionContext.SuppressFlow())
        {
            chain.Start(_stop);
        }
    }

    private async ValueTask<WatchVerdict> TakeIntentionsAsync(ConsulView<IReadOnlyList<ConsulIntention?>> view, CancellationToken cancel)
    {
        if (view.Value.Count == 0 && _guarded.Length > 0 && !view.DataLost)
        {
            // Consul leaves out what the token may not see, without a word.
            var asked = _guarded.Select(static service => new AclRight("intention", "read", service)).ToArray();
            if (await ConsulRights.FindMissingAsync(_consul.Client, asked, cancel).ConfigureAwait(false) is { } missing)
            {
                throw new ConsulException(
                    $"Consul at {_consul.Client.Agent} leaves out the intentions, because the token lacks the right "
                    + $"service \"{missing.Segment}\" {{ policy = \"read\" }}.",
                    HttpStatusCode.Forbidden);
            }
        }

        if (_default is not null && view.IsRestored)
        {
            _default.Restore();
        }
        else if (_default is not null)
        {
            // Before the first ones are used, so that a default of denying holds from the first request on.
            await _default.AskFirstAsync(cancel).ConfigureAwait(false);
        }

        lock (_lock)
        {
            if (view.DataLost && view.Value.Count == 0 && _intentionRules.Rules.Count > 0)
            {
                if (!_areIntentionsKept)
                {
                    Log.Kept(_consul.Logger, "intentions");
                }

                _areIntentionsKept = true;
                return WatchVerdict.Kept;
            }

            _areIntentionsKept = false;
            _guarded = [.. view.Value.Select(static one => one?.DestinationName).OfType<string>().Distinct(StringComparer.Ordinal)];
            _intentionRules = _intentions.Update(view.Value);
            Publish();
        }

        _default?.AskAgain();
        return WatchVerdict.Believed(isSaved: true);
    }

    private void TakeChain(FollowedChain chain, DiscoveryChain? told)
    {
        lock (_lock)
        {
            if (!chain.IsForgotten)
            {
                Take(chain.Service, told);
            }
        }
    }

    /// <summary>Needs the lock. A chain without entries has no rules, and nothing is compiled for it.</summary>
    private void Take(string service, DiscoveryChain? chain)
    {
        if (_chains.Update(service, chain is { IsDefault: true } ? null : chain))
        {
            _chainRules = _chains.Batch;
            Publish();
        }
    }

    private void PublishDefault()
    {
        lock (_lock)
        {
            Publish();
        }
    }

    private void Publish() =>
        _publish?.Invoke(new RuleBatch(
            [.. _chainRules.Rules, .. _intentionRules.Rules, .. _default?.Rule is { } rule ? [rule] : Array.Empty<RuleConfig>()],
            [.. _chainRules.Issues, .. _intentionRules.Issues]));

    /// <summary>The chain of one service.</summary>
    private sealed class FollowedChain(ConsulConfigEntries source, ConsulServiceName name)
    {
        private readonly TaskCompletionSource _told = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly CancellationTokenSource _forget = new();
        private readonly ConsulQuery<DiscoveryChainAnswer> _query =
            ConsulQueries.Chain(name.Service, source._options.Discovery.Consul);

        private bool _hasRules;
        private bool _isKept;

        public Task Told => _told.Task;

        public string Service => name.Service;

        /// <summary>Set under the source's lock.</summary>
        public bool IsForgotten { get; set; }

        public Task Running { get; private set; } = Task.CompletedTask;

        public void Start(CancellationToken stop) => Running = RunAsync(stop);

        public void Forget()
        {
            _forget.Cancel();
            source._consul.Saved.Remove(_query.Path);
        }

        private async Task RunAsync(CancellationToken stop)
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(stop, _forget.Token);
            var watch = new ConsulWatch<DiscoveryChainAnswer>(
                source._consul, _query, Take, failed: () => _told.TrySetResult());
            await watch.RunAsync(either.Token).ConfigureAwait(false);
            _told.TrySetResult();
        }

        private ValueTask<WatchVerdict> Take(ConsulView<DiscoveryChainAnswer> view, CancellationToken cancel)
        {
            var hasRules = view.Value.Chain is { IsDefault: false };
            if (view.DataLost && _hasRules && !hasRules)
            {
                if (!_isKept)
                {
                    Log.Kept(source._consul.Logger, $"config entries of {name.Service}");
                }

                _isKept = true;
                return new(WatchVerdict.Kept);
            }

            _isKept = false;
            _hasRules = hasRules;
            source.TakeChain(this, view.Value.Chain);
            _told.TrySetResult();
            return new(WatchVerdict.Believed(isSaved: hasRules));
        }
    }

    private static partial class Log
    {
        [LoggerMessage(351, LogLevel.Warning, "Consul has lost the {What} together with other data: they stay in use until some are written again, or this process restarts.")]
        public static partial void Kept(ILogger logger, string what);
    }
}
