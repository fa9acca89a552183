using Mesh.Discovery.Runtime;
using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Security;

/// <summary>Follows the source of certificates and keeps the present <see cref="CertificateSet"/>.</summary>
/// <remarks>Safe for concurrent use: readers take <see cref="Current"/> and never lock.</remarks>
internal sealed partial class MeshCertificates : IAsyncDisposable, IDisposable
{
    private readonly ICertificateSource? _source;
    private readonly TimeProvider _time;
    private readonly IRandomSource _random;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile PeerTrust? _current;
    private Task? _watch;

    public MeshCertificates(ICertificateSource? source, TimeProvider time, IRandomSource random, ILogger<MeshCertificates> logger)
    {
        _source = source;
        _time = time;
        _random = random;
        _logger = logger;
    }

    /// <summary>Whether there is a source, so that there is, or will be, an identity.</summary>
    public bool IsOn => _source is not null;

    /// <summary>What to show and whom to believe now; null before the first set.</summary>
    public PeerTrust? Current => _current;

    /// <summary>Done when there is a first set; never, if there is no source.</summary>
    public Task Ready => _ready.Task;

    /// <summary>Raised, one at a time, after <see cref="Current"/> has changed. Handlers must be quick and must not throw.</summary>
    public event Action? Changed;

    /// <summary>Starts to follow the source. Calling it again does nothing.</summary>
    public void Start()
    {
        lock (_lock)
        {
            if (_source is null || _watch is not null)
            {
                return;
            }

            // The watch outlives whoever started it, and must not carry that caller's activity along.
            using (ExecutionContext.SuppressFlow())
            {
                _watch = SourceWatch.RunAsync(
                    $"certificates from {_source.Name}", stop => _source.WatchAsync(Take, stop), _time, _random, _logger, _stop.Token);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_stop.IsCancellationRequested)
        {
            return;
        }

        await _stop.CancelAsync().ConfigureAwait(false);
        Task? watch;
        lock (_lock)
        {
            watch = _watch;
        }

        await (watch ?? Task.CompletedTask).ConfigureAwait(false);
        _stop.Dispose();
    }

    /// <summary>For containers that are disposed synchronously, which refuse services that cannot be.</summary>
    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    private void Take(CertificateSet set)
    {
        lock (_lock)
        {
            _current = new PeerTrust(set, _time);
            Log.Identity(_logger, set.Id, set.NotAfter, string.Join(", ", set.Bundles.Select(static bundle => bundle.TrustDomain)));
            Changed?.Invoke();
        }

        _ready.TrySetResult();
    }

    private static partial class Log
    {
        [LoggerMessage(151, LogLevel.Information, "This process is {Id} until {NotAfter:u}; it believes {TrustDomains}.")]
        public static partial void Identity(ILogger logger, SpiffeId id, DateTimeOffset notAfter, string trustDomains);
    }
}

/// <summary>A set of certificates and the verifier of peers made for it.</summary>
internal sealed class PeerTrust(CertificateSet set, TimeProvider time)
{
    public CertificateSet Set { get; } = set;

    public PeerVerifier Verifier { get; } = new(set, time);
}
