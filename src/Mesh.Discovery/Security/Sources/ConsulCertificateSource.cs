using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Mesh.Discovery.Consul;
using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Security.Sources;

/// <summary>
/// Certificates from Consul's CA, whatever provider it has: the agent makes the key, has the certificate signed and renews it,
/// and here both are followed by blocking queries.
/// </summary>
/// <remarks>
/// Roots and certificate come by queries of their own. Each change is published at once if they fit; after a rotation of the
/// root the old certificate stays good, because its root stays on the list. Nothing of it is saved to disk.
/// </remarks>
internal sealed partial class ConsulCertificateSource : ICertificateSource
{
    public const string SourceName = "Consul";

    /// <summary>When to ask again for what does not fit: the other half may be on its way.</summary>
    private static readonly TimeSpan s_again = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly ConsulConnection _consul;
    private readonly string _service;
    private Action<CertificateSet>? _publish;
    private TrustBundle? _roots;
    private X509Certificate2[]? _leaf;
    private X509Certificate2[]? _goodLeaf;
    private TrustBundle? _publishedRoots;
    private string? _told;

    /// <param name="consul">The agent.</param>
    /// <param name="service">The service that this process is, as Consul calls it.</param>
    public ConsulCertificateSource(ConsulConnection consul, string service)
    {
        _consul = consul;
        _service = service;
    }

    public string Name => SourceName;

    public ConsulConnection Connection => _consul;

    public Task WatchAsync(Action<CertificateSet> publish, CancellationToken stop)
    {
        lock (_lock)
        {
            _publish = publish;
        }

        var roots = new ConsulWatch<ConnectRoots>(_consul, ConsulQueries.ConnectRoots(_service), TakeRootsAsync);
        var leaf = new ConsulWatch<ConnectLeaf>(_consul, ConsulQueries.ConnectLeaf(_service), TakeLeafAsync);
        return Task.WhenAll(roots.RunAsync(stop), leaf.RunAsync(stop));
    }

    private ValueTask<WatchVerdict> TakeRootsAsync(ConsulView<ConnectRoots> view, CancellationToken cancel)
    {
        var roots = Parse("roots", () => new TrustBundle(
            view.Value.TrustDomain ?? "",
            (view.Value.Roots ?? []).SelectMany(static root => PemText.Certificates(root?.Certificate ?? ""))));
        lock (_lock)
        {
            _roots = roots;
            return new(Publish());
        }
    }

    private ValueTask<WatchVerdict> TakeLeafAsync(ConsulView<ConnectLeaf> view, CancellationToken cancel)
    {
        var leaf = Parse("certificate", () =>
        {
            var chain = PemText.Certificates(view.Value.Certificate ?? "");
            chain[0] = PemText.WithKey(chain[0], view.Value.PrivateKey ?? "");
            return chain;
        });
        lock (_lock)
        {
            _leaf = leaf;
            return new(Publish());
        }
    }

    private T Parse<T>(string what, Func<T> parse)
    {
        try
        {
            return parse();
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw new ConsulException(
                $"The {what} that Consul at {_consul.Client.Agent} answers for {_service} cannot be used: {e.Message}", HttpStatusCode.OK, e);
        }
    }

    /// <summary>Publishes what fits. Needs the lock.</summary>
    private WatchVerdict Publish()
    {
        if (_roots is null || _leaf is null)
        {
            return WatchVerdict.Believed(isSaved: false);
        }

        var (set, problem) = Fit(_leaf, _roots);
        if (set is null && _goodLeaf is not null && !ReferenceEquals(_roots, _publishedRoots))
        {
            // New roots do not wait until there is a certificate that is good too.
            set = Fit(_goodLeaf, _roots).Set;
        }

        if (set is not null)
        {
            _publishedRoots = _roots;
            _publish!(set);
        }

        if (problem is null)
        {
            _goodLeaf = _leaf;
            _told = null;
            return WatchVerdict.Believed(isSaved: false);
        }

        if (_told != problem)
        {
            _told = problem;
            Log.NoFit(_consul.Logger, _consul.Client.Agent, problem);
        }

        return new WatchVerdict(IsBelieved: false, IsSaved: false, s_again);
    }

    private (CertificateSet? Set, string? Problem) Fit(X509Certificate2[] leaf, TrustBundle roots)
    {
        try
        {
            var set = new CertificateSet(leaf[0], leaf[1..], [roots]);
            return OwnCertificate.ProblemOf(set, _consul.Time) is { } problem ? (null, problem) : (set, null);
        }
        catch (ArgumentException e)
        {
            return (null, e.Message);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(160, LogLevel.Warning, "The certificate and the roots of Consul at {Agent} do not fit yet; what was good before stays in use. {Problem}")]
        public static partial void NoFit(ILogger logger, string agent, string problem);
    }
}
