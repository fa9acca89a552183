using Mesh.Discovery.Consul;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Rules.Reading;
using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Security.Sources;

/// <summary>Makes the source of certificates that the options name.</summary>
internal sealed class CertificateSources
{
    private static readonly string[] s_known =
        [DevelopmentCertificateSource.SourceName, FileCertificateSource.SourceName, ConsulCertificateSource.SourceName];

    private readonly MeshOptions _options;
    private readonly string _contentRoot;
    private readonly TimeProvider _time;
    private readonly IRandomSource _random;
    private readonly ILogger _logger;
    private readonly Func<ConsulConnection?> _connect;
    private readonly List<RuleIssue> _issues;

    private CertificateSources(
        MeshOptions options,
        string contentRoot,
        TimeProvider time,
        IRandomSource random,
        ILogger logger,
        Func<ConsulConnection?> connect,
        List<RuleIssue> issues)
    {
        _options = options;
        _contentRoot = contentRoot;
        _time = time;
        _random = random;
        _logger = logger;
        _connect = connect;
        _issues = issues;
    }

    /// <summary>The source; null if none is named, or if something is wrong with it.</summary>
    /// <param name="options">The options.</param>
    /// <param name="contentRoot">What paths are relative to.</param>
    /// <param name="registered">The application's own sources. They go before those of the mesh.</param>
    /// <param name="connect">The connection to Consul, which tells its own issues.</param>
    /// <param name="time">The clock.</param>
    /// <param name="random">For jitter.</param>
    /// <param name="logger">Where the source tells its trouble.</param>
    /// <param name="issues">Takes what is wrong, all of it.</param>
    public static ICertificateSource? Create(
        MeshOptions options,
        string contentRoot,
        IReadOnlyList<ICertificateSource> registered,
        Func<ConsulConnection?> connect,
        TimeProvider time,
        IRandomSource random,
        ILogger logger,
        List<RuleIssue> issues)
    {
        var name = options.Security.Certificates.Source;
        if (name.Length == 0)
        {
            return null;
        }

        if (registered.FirstOrDefault(source => Is(source.Name, name)) is { } other)
        {
            return other;
        }

        var sources = new CertificateSources(options, contentRoot, time, random, logger, connect, issues);
        return Is(DevelopmentCertificateSource.SourceName, name) ? sources.Development()
            : Is(FileCertificateSource.SourceName, name) ? sources.Files()
            : Is(ConsulCertificateSource.SourceName, name) ? sources.Consul()
            : sources.Unknown(name, [.. s_known, .. registered.Select(static source => source.Name)]);

        static bool Is(string one, string other) => one.Equals(other, StringComparison.OrdinalIgnoreCase);
    }

    private DevelopmentCertificateSource? Development()
    {
        var security = _options.Security;
        var before = _issues.Count;
        var (account, place) = security.ServiceAccount.Length > 0
            ? (security.ServiceAccount, "Security:ServiceAccount")
            : (_options.Service, "Service");
        CheckSegment(account, place);
        CheckSegment(_options.Namespace, "Namespace");
        if (!SpiffeId.IsTrustDomain(security.TrustDomain.ToLowerInvariant()))
        {
            Error("Security:TrustDomain", $"{RuleText.Quote(security.TrustDomain)} is not a trust domain; allowed are letters, digits, '.', '-' and '_'");
        }

        var development = security.Certificates.Development;
        if (development.Lifetime < TimeSpan.FromSeconds(2))
        {
            Error("Security:Certificates:Development:Lifetime", $"{development.Lifetime} is too short; allowed are 2 s and more");
        }

        return _issues.Count > before ? null : new DevelopmentCertificateSource(
            SpiffeId.Create(security.TrustDomain, _options.Namespace, account),
            development.Path.Length == 0 ? "" : Path.GetFullPath(development.Path, _contentRoot),
            development.Lifetime,
            _time,
            _random,
            _logger);
    }

    private FileCertificateSource? Files()
    {
        var files = _options.Security.Certificates.Files;
        var before = _issues.Count;
        foreach (var (name, path) in new[] { ("Certificate", files.Certificate), ("Key", files.Key), ("Roots", files.Roots) })
        {
            if (path.Length == 0)
            {
                Error($"Security:Certificates:Files:{name}", "is not set; the path of a PEM file is wanted where Security:Certificates:Source is Files");
            }
        }

        foreach (var (domain, path) in files.OtherRoots)
        {
            if (!SpiffeId.IsTrustDomain(domain.ToLowerInvariant()) || path.Length == 0)
            {
                Error(
                    $"Security:Certificates:Files:OtherRoots:{RuleText.Cut(domain)}",
                    "is not a trust domain with the path of a PEM file; a trust domain is made of letters, digits, '.', '-' and '_'");
            }
        }

        if (files.PollInterval < TimeSpan.FromMilliseconds(10))
        {
            Error("Security:Certificates:Files:PollInterval", $"{files.PollInterval} is too short; allowed are 10 ms and more");
        }

        return _issues.Count > before ? null : new FileCertificateSource(files, _contentRoot, _time, _logger);
    }

    private ConsulCertificateSource? Consul() => _connect() is { } consul ? new ConsulCertificateSource(consul, _options.Service) : null;

    private ICertificateSource? Unknown(string name, string[] known)
    {
        var nearest = RuleText.Nearest(name, known);
        var meant = nearest is null ? "" : $"; did you mean '{nearest}'?";
        Error("Security:Certificates:Source", $"the source of certificates {RuleText.Quote(name)} is not known; allowed are {string.Join(", ", known)}{meant}");
        return null;
    }

    private void CheckSegment(string segment, string place)
    {
        if (!SpiffeId.TryParse($"spiffe://x/{segment}", out var id) || id.Path.LastIndexOf('/') > 0)
        {
            Error(place, $"{RuleText.Quote(segment)} cannot be part of an identity; allowed are letters, digits, '.', '-' and '_'");
        }
    }

    private void Error(string path, string message) => _issues.Add(new RuleIssue(
        IssueSeverity.Error, new SourceLocation("configuration", $"{MeshOptions.SectionName}:{path}"), message));
}
