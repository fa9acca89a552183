using Mesh.Discovery.Rules;
using Mesh.Discovery.Rules.Reading;

namespace Mesh.Discovery.Istio;

/// <summary>
/// Istio documents in files that are looked at again and again: <c>Mesh:Config:Files</c>.
/// </summary>
/// <remarks>
/// Polling serves every file system alike (network shares and Kubernetes' mounted volumes raise no events). A change is
/// read when two looks, one shortly after the other, have seen the same file, so that an editor's half of a file is not
/// taken for a rule. The first look takes everything at once. Documents with errors are not in the batch; their last
/// good versions are the runtime's to keep. Rules of a file or directory that cannot be read at all stay in it.
/// </remarks>
internal sealed class IstioFileRuleSource : IRuleSource
{
    /// <summary>How soon a changed file is looked at for the second time.</summary>
    public static readonly TimeSpan Settle = TimeSpan.FromMilliseconds(50);

    private readonly List<RuleFilePattern> _patterns = [];
    private readonly TimeSpan _pollInterval;
    private readonly TimeProvider _time;
    private RuleBatch? _published;

    /// <param name="options">Which files, and how strictly.</param>
    /// <param name="contentRoot">What relative paths are relative to.</param>
    /// <param name="time">Times the polls.</param>
    public IstioFileRuleSource(MeshOptions options, string contentRoot, TimeProvider time)
    {
        var settings = new RuleFileSettings(options.Namespace, options.Config.Strict, options.Config.MaxFileSize);
        foreach (var pattern in options.Config.Files)
        {
            _patterns.Add(new RuleFilePattern(pattern, contentRoot, settings));
        }

        Name = string.Join(", ", options.Config.Files);
        _pollInterval = options.Config.PollInterval;
        _time = time;
    }

    public string Name { get; }

    public int Precedence => 0;

    public async Task WatchAsync(Action<RuleBatch> publish, CancellationToken stop)
    {
        while (true)
        {
            var pending = Look();
            var batch = Collect();
            if (_published is null || !RuleCollector.IsSame(batch, _published))
            {
                publish(batch);
                _published = batch;
            }

            var wait = pending && Settle < _pollInterval ? Settle : _pollInterval;
            await Task.Delay(wait, _time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (stop.IsCancellationRequested)
            {
                return;
            }
        }
    }

    /// <summary>Looks at every file once.</summary>
    /// <returns>Whether something changed that another look must confirm.</returns>
    private bool Look()
    {
        var pending = false;
        var claimed = new HashSet<string>(StringComparer.Ordinal);
        foreach (var pattern in _patterns)
        {
            pending |= pattern.Look(claimed, first: _published is null);
        }

        return pending;
    }

    private RuleBatch Collect() => RuleCollector.Collect(
        _patterns.SelectMany(static pattern => pattern.Files
            .Select(static file => (file.Rules, file.Issues))
            .Prepend(([], pattern.Issues))),
        _published);
}

/// <summary>How rule files are read.</summary>
/// <param name="Namespace">Of documents that do not name theirs.</param>
/// <param name="Strict">Whether what is not supported is an error.</param>
/// <param name="MaxSize">Larger files are refused, in bytes.</param>
internal sealed record RuleFileSettings(string Namespace, bool Strict, int MaxSize);
