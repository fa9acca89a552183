using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Security.Sources;

/// <summary>
/// Certificates in PEM files that cert-manager, Istio's agent, SPIRE or a person puts there and replaces.
/// </summary>
/// <remarks>
/// The files are read again at each look and compared by their content: the times of a mounted secret are those of its links,
/// which do not change with it. What has changed is used when two looks have found the same, so that a file that is being
/// written is not taken for a whole one, and when it is good in itself: until then the last good set stays.
/// </remarks>
internal sealed partial class FileCertificateSource : ICertificateSource
{
    public const string SourceName = "Files";

    private readonly CertificateFiles _files;
    private readonly TimeSpan _pollInterval;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private byte[]? _seen;
    private byte[]? _used;
    private string? _problem;
    private string? _openKey;

    public FileCertificateSource(FileCertificateOptions options, string contentRoot, TimeProvider time, ILogger logger)
    {
        _files = new CertificateFiles(options, contentRoot);
        _pollInterval = options.PollInterval;
        _time = time;
        _logger = logger;
    }

    public string Name => SourceName;

    public async Task WatchAsync(Action<CertificateSet> publish, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            Look(publish);
            await Task.Delay(_pollInterval, _time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private void Look(Action<CertificateSet> publish)
    {
        var contents = _files.Read();
        var isSettled = _used is null || Same(contents.Hash, _seen);
        _seen = contents.Hash;
        if (!isSettled)
        {
            return;
        }

        // What is refused is looked at each time: a certificate may become valid by waiting.
        if (Same(contents.Hash, _used))
        {
            _problem = null;
            return;
        }

        var (set, problem) = _files.Load(contents, _time);
        if (set is not null)
        {
            _problem = null;
            _used = contents.Hash;
            WarnOfOpenKey();
            publish(set);
        }
        else if (problem != _problem)
        {
            _problem = problem;
            Log.Refused(_logger, problem!, _used is null ? "this process has no certificate until they are" : "the last good ones stay in use");
        }
    }

    private void WarnOfOpenKey()
    {
        var open = _files.OpenKey();
        if (open is not null && open != _openKey)
        {
            Log.OpenKey(_logger, open);
        }

        _openKey = open;
    }

    private static bool Same(byte[] one, byte[]? other) => other is not null && one.AsSpan().SequenceEqual(other);

    private static partial class Log
    {
        [LoggerMessage(158, LogLevel.Error, "The certificate files are not good, {Consequence}: {Problem}.")]
        private static partial void RefusedCore(ILogger logger, string consequence, string problem);

        public static void Refused(ILogger logger, string problem, string consequence) => RefusedCore(logger, consequence, problem.TrimEnd('.'));

        [LoggerMessage(159, LogLevel.Warning, "Others than its owner may read or write the private key {File}. chmod 600 ends that; in Kubernetes: defaultMode 0400.")]
        public static partial void OpenKey(ILogger logger, string file);
    }
}
