using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Security.Sources;

/// <summary>
/// Certificates from an authority that the processes of one user on one machine share. Each process signs its own, and
/// trusts all roots of the directory; a new root is trusted for a while before it signs, so that all have seen it.
/// </summary>
internal sealed class DevelopmentCertificateSource : ICertificateSource
{
    public const string SourceName = "Development";

    /// <summary>How often the directory is looked at.</summary>
    public static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(1);

    /// <summary>How long a root has to be there before it signs, if there is another one.</summary>
    public static readonly TimeSpan Settle = TimeSpan.FromSeconds(5);

    /// <summary>How long a root is trusted whose file is gone: until all processes have certificates of another one.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);

    public static readonly TimeSpan RootLifetime = TimeSpan.FromDays(365);

    /// <summary>Renewal is spread over this part of the lifetime, half of it on each side of its middle.</summary>
    private const double Jitter = 0.2;

    private readonly SpiffeId _id;
    private readonly TimeSpan _lifetime;
    private readonly TimeProvider _time;
    private readonly IRandomSource _random;
    private readonly DevelopmentAuthority _authority;

    /// <summary>Roots whose files are gone, and since when.</summary>
    private readonly Dictionary<DevelopmentRoot, DateTimeOffset> _gone = [];
    private IReadOnlyList<DevelopmentRoot> _present = [];
    private Issued? _issued;
    private string _published = "";

    /// <param name="id">Who the process is.</param>
    /// <param name="path">The directory; empty for the default one.</param>
    /// <param name="lifetime">Of certificates.</param>
    /// <param name="time">The clock.</param>
    /// <param name="random">For jitter.</param>
    /// <param name="logger">Where trouble is told.</param>
    /// <param name="rootLifetime">Of roots; a year if it is not given.</param>
    public DevelopmentCertificateSource(
        SpiffeId id, string path, TimeSpan lifetime, TimeProvider time, IRandomSource random, ILogger logger, TimeSpan? rootLifetime = null)
    {
        _id = id;
        _lifetime = lifetime;
        _time = time;
        _random = random;
        _authority = new DevelopmentAuthority(path, rootLifetime ?? RootLifetime, logger);
    }

    public string Name => SourceName;

    public async Task WatchAsync(Action<CertificateSet> publish, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            var now = _time.GetUtcNow();
            if (Look(now) is { } set)
            {
                publish(set);
            }

            var untilRenewal = _issued!.RenewAt - now;
            var pause = untilRenewal > TimeSpan.Zero && untilRenewal < PollInterval ? untilRenewal : PollInterval;
            await Task.Delay(pause, _time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>A new set, if there is anything new.</summary>
    private CertificateSet? Look(DateTimeOffset now)
    {
        var present = _authority.Look(now);
        Forget(present, now);
        if (FindSigner(present, now) is { } signer)
        {
            var leaf = signer.Issue(_id, now, _lifetime);
            var life = new DateTimeOffset(leaf.NotAfter.ToUniversalTime()) - now;
            life = life < _lifetime ? life : _lifetime;
            _issued = new Issued(leaf, signer, now + (life * (0.5 + (Jitter * (_random.NextDouble() - 0.5)))));
        }

        DevelopmentRoot[] trusted = [.. present, .. _gone.Keys];
        var published = string.Join(' ', trusted.Select(static root => root.Certificate.Thumbprint).Append(_issued!.Leaf.Thumbprint));
        if (published == _published)
        {
            return null;
        }

        _published = published;
        return new CertificateSet(
            _issued.Leaf, [], [new TrustBundle(_id.TrustDomain, trusted.Select(static root => root.Certificate))]);
    }

    /// <summary>Keeps in mind which roots are gone, for as long as others may show certificates of theirs.</summary>
    private void Forget(IReadOnlyList<DevelopmentRoot> present, DateTimeOffset now)
    {
        foreach (var root in _present.Where(old => !Has(present, old)))
        {
            _gone.TryAdd(root, now);
        }

        foreach (var (root, since) in _gone)
        {
            if (root.NotAfter <= now || now - since >= Grace || Has(present, root))
            {
                _gone.Remove(root);
            }
        }

        _present = present;
    }

    /// <summary>Who signs a new certificate now; null if the present one stays.</summary>
    private DevelopmentRoot? FindSigner(IReadOnlyList<DevelopmentRoot> present, DateTimeOffset now)
    {
        var settled = present.LastOrDefault(root => now - root.Created >= Settle);
        if (_issued is { } issued && now < issued.NotAfter && issued.Signer.NotAfter > now)
        {
            return now >= issued.RenewAt || !Has(present, issued.Signer) ? settled : null;
        }

        // What others have seen is better than what they have not, and that is better than nothing.
        return settled ?? present[0];
    }

    private static bool Has(IReadOnlyList<DevelopmentRoot> roots, DevelopmentRoot root) =>
        roots.Any(one => one.Certificate.RawDataMemory.Span.SequenceEqual(root.Certificate.RawDataMemory.Span));

    /// <summary>The present certificate.</summary>
    private sealed record Issued(X509Certificate2 Leaf, DevelopmentRoot Signer, DateTimeOffset RenewAt)
    {
        public DateTimeOffset NotAfter { get; } = new(Leaf.NotAfter.ToUniversalTime());
    }
}
