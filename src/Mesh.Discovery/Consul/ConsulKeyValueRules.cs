using Mesh.Discovery.Rules;
using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Consul;

/// <summary>The rules under a key prefix, for all processes that talk to the same Consul.</summary>
internal sealed partial class ConsulKeyValueRules(ConsulConnection consul, MeshOptions options) : IRuleSource
{
    private readonly ConsulRuleDocuments _documents = new(options);
    private bool _hasRules;
    private bool _isKept;

    public string Name => "consul kv";

    public int Precedence => RulePrecedence.ConsulKeyValue;

    public Task WatchAsync(Action<RuleBatch> publish, CancellationToken stop)
    {
        var prefix = options.Config.Consul.KeyPrefix;
        var watch = new ConsulWatch<KeyValueEntry[]>(
            consul, ConsulQueries.KeyValues(prefix, consul.Options), TakeAsync);
        return watch.RunAsync(stop);

        async ValueTask<WatchVerdict> TakeAsync(ConsulView<KeyValueEntry[]> view, CancellationToken cancel)
        {
            if (view.Value.Length == 0 && _hasRules)
            {
                if (view.DataLost)
                {
                    if (!_isKept)
                    {
                        Log.Kept(consul.Logger, prefix);
                    }

                    _isKept = true;
                    return WatchVerdict.Kept;
                }

                await ProbeRightAsync(prefix, cancel).ConfigureAwait(false);
            }

            _isKept = false;
            _hasRules = view.Value.Length > 0;
            publish(_documents.Update(view.Value));
            return WatchVerdict.Believed;
        }
    }

    /// <summary>Without the right a prefix looks as if it had no keys; a single key says it (403, and not 404).</summary>
    private async ValueTask ProbeRightAsync(string prefix, CancellationToken cancel) =>
        await consul.Client.GetAsync(ConsulQueries.Key(prefix, consul.Options), 0, TimeSpan.Zero, mayBeStale: false, cancel)
            .ConfigureAwait(false);

    private static partial class Log
    {
        [LoggerMessage(341, LogLevel.Warning, "Consul has lost all keys below {Prefix} together with other data: the rules that were there stay in use until one is written again, or this process restarts.")]
        public static partial void Kept(ILogger logger, string prefix);
    }
}
