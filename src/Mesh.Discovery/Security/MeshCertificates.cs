using System.Diagnostics.Metrics;
using System.Security.Cryptography.X509Certificates;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Security.Sources;
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
    private readonly KnownIntermediates _known = new();
    private readonly ExpiryAlarm? _alarm;
    private readonly Counter<long>? _rotations;
    private volatile PeerTrust? _current;
    private Task? _watch;

    /// <param name="source">Where certificates come from; null for no identity.</param>
    /// <param name="time">The clock.</param>
    /// <param name="random">For jitter.</param>
    /// <param name="logger">Where changes and trouble are told.</param>
    /// <param name="meters">For metrics; null for none.</param>
    public MeshCertificates(
        ICertificateSource? source, TimeProvider time, IRandomSource random, ILogger<MeshCertificates> logger, IMeterFactory? meters = null)
    {
        _source = source;
        _time = time;
        _random = random;
        _logger = logger;
        if (source is null)
        {
            return;
        }

        // Consul's agent renews between 60 % and 90 % of a certificate's life, all others that are known at half or two thirds.
        var (warning, error) = source is ConsulCertificateSource ? (0.08, 0.04) : (0.25, 0.1);
        _alarm = new ExpiryAlarm(source.Name, warning, error, time, logger);
        if (meters?.Create(MeshRuntime.MeterName) is { } meter)
        {
            _rotations = meter.CreateCounter<long>(
                "mesh.certificate.rotations", "{rotation}", "Changes of the certificate (mesh.change: leaf) or of the trusted roots alone (roots).");
            meter.CreateObservableGauge(
                "mesh.certificate.expires", MeasureExpiry, "s", "The time until the certificate of this process expires; negative after.");
        }
    }

    /// <summary>Where certificates come from; null if there is no identity.</summary>
    public ICertificateSource? Source => _source;

    /// <summary>Whether there is a certificate and it is valid no more.</summary>
    public bool HasExpired => _current is { Set.NotAfter: var end } && end <= _time.GetUtcNow();

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
        _alarm?.Dispose();
        _stop.Dispose();
    }

    /// <summary>For containers that are disposed synchronously, which refuse services that cannot be.</summary>
    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    private void Take(CertificateSet set)
    {
        lock (_lock)
        {
            var before = _current?.Set;
            var isSameLeaf = before is not null && Same(before.Leaf, set.Leaf);
            if (before is not null)
            {
                if (IsWorse(set, before))
                {
                    Log.Refused(_logger, _source!.Name, set.NotBefore, set.NotAfter);
                    return;
                }

                if (isSameLeaf && Same(before.Intermediates, set.Intermediates) && Same(before.Bundles, set.Bundles))
                {
                    return;
                }
            }

            _current = new PeerTrust(set, _time, _known);
            if (before is not null)
            {
                _rotations?.Add(1, new KeyValuePair<string, object?>("mesh.change", isSameLeaf ? "roots" : "leaf"));
            }

            Log.Identity(_logger, set.Id, set.NotAfter, string.Join(", ", set.Bundles.Select(static bundle => bundle.TrustDomain)));
            if (!isSameLeaf)
            {
                _alarm!.Watch(set);
            }

            Changed?.Invoke();
        }

        _ready.TrySetResult();
    }

    /// <summary>Whether a set cannot be used now, and the present one can, or can for longer.</summary>
    private bool IsWorse(CertificateSet set, CertificateSet present)
    {
        var now = _time.GetUtcNow();
        var isValid = set.NotBefore <= now && now < set.NotAfter;
        var isPresentValid = present.NotBefore <= now && now < present.NotAfter;
        return !isValid && (isPresentValid || set.NotAfter < present.NotAfter);
    }

    private IEnumerable<Measurement<double>> MeasureExpiry() =>
        _current is { Set: var set } ? [new Measurement<double>((set.NotAfter - _time.GetUtcNow()).TotalSeconds)] : [];

    private static bool Same(X509Certificate2 one, X509Certificate2 other) =>
        one.RawDataMemory.Span.SequenceEqual(other.RawDataMemory.Span);

    private static bool Same(IReadOnlyList<X509Certificate2> some, IReadOnlyList<X509Certificate2> others) =>
        some.Count == others.Count && some.Zip(others, Same).All(static same => same);

    private static bool Same(IReadOnlyList<TrustBundle> some, IReadOnlyList<TrustBundle> others) =>
        some.Count == others.Count
        && some.Zip(others, static (one, other) => one.TrustDomain == other.TrustDomain && Same(one.Roots, other.Roots)).All(static same => same);

    private static partial class Log
    {
        [LoggerMessage(151, LogLevel.Information, "This process is {Id} until {NotAfter:u}; it believes {TrustDomains}.")]
        public static partial void Identity(ILogger logger, SpiffeId id, DateTimeOffset notAfter, string trustDomains);

        [LoggerMessage(152, LogLevel.Warning, "{Source} has given a certificate that is valid from {NotBefore:u} to {NotAfter:u} and so not now; the present one stays in use.")]
        public static partial void Refused(ILogger logger, string source, DateTimeOffset notBefore, DateTimeOffset notAfter);
    }
}

/// <summary>A set of certificates and the verifier of peers made for it.</summary>
internal sealed class PeerTrust(CertificateSet set, TimeProvider time, KnownIntermediates? known = null)
{
    public CertificateSet Set { get; } = set;

    public PeerVerifier Verifier { get; } = new(set, time, known);
}
