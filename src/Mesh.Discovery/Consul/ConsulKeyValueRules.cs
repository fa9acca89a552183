using Mesh.Discovery.Rules;
using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Consul;

/// <summary>The rules under a key prefix, for all processes that talk to the same Consul.</summary>
internal sealed partial class ConsulKeyValueRules(ConsulConnection consul, MeshOptions options) : IRuleSource
{
    private readonly ConsulRuleDocuments _documents = new(options);
    private bool _hasRules;
    private bool _isKept;
    private bool _isChecked;

    public string Name => "consul kv";

    public int Precedence => RulePrecedence.ConsulKeyValue;

    public Task WatchAsync(Action<RuleBatch> publish, CancellationToken stop)
    {
        var prefix = options.Config.Consul.KeyPrefix;
        var datacenter = consul.Options.Datacenter;
        var watch = new ConsulWatch<IReadOnlyList<KeyValueEntry>>(consul, ConsulKeyValues.Below(prefix, datacenter), TakeAsync);
        return watch.RunAsync(stop);

        async ValueTask<WatchVerdict> TakeAsync(ConsulView<IReadOnlyList<KeyValueEntry>> view, CancellationToken cancel)
        {
            if (view.Value.Count == 0 && !view.IsRestored && (_hasRules || !_isChecked))
            {
                if (view.DataLost && _hasRules)
                {
                    if (!_isKept)
                    {
                        Log.Kept(consul.Logger, prefix);
                    }

                    _isKept = true;
                    return WatchVerdict.Kept;
                }

                await ConsulKeyValues.CheckRightAsync(consul.Client, prefix, datacenter, cancel).ConfigureAwait(false);
            }

            _isChecked |= !view.IsRestored;
            _isKept = false;
            _hasRules = view.Value.Count > 0;
            publish(_documents.Update(view.Value));
            return WatchVerdict.Believed(isSaved: true);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(341, LogLevel.Warning, "Consul has lost all keys below {Prefix} together with other data: the rules that were there stay in use until one is written again, or this process restarts.")]
        public static partial void Kept(ILogger logger, string prefix);
    }
}
