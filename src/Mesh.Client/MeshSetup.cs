using Mesh.Discovery;
using Mesh.Discovery.Catalogs;
using Mesh.Discovery.Configuration;
using Mesh.Discovery.Consul;
using Mesh.Discovery.Istio;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Security;
using Mesh.Discovery.Security.Sources;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Mesh.Client;

/// <summary>What the configuration and the application's code make of this process: options, rule sources and catalogs.</summary>
internal sealed class MeshSetup : IDisposable
{
    private readonly IServiceProvider _services;
    private readonly IConfiguration _configuration;
    private readonly List<RuleIssue> _issues;
    private ConsulCatalog? _consulCatalog;
    private ConsulConnection? _consul;
    private bool _isConsulRefused;

    public MeshSetup(IServiceProvider services, IEnumerable<ConfigureMesh> configure)
    {
        var environment = services.GetService<IHostEnvironment>();
        _services = services;
        _configuration = services.GetService<IConfiguration>() ?? new ConfigurationManager();
        ContentRoot = environment?.ContentRootPath ?? Directory.GetCurrentDirectory();
        Options = new MeshOptions { Service = DefaultName(environment?.ApplicationName) };
        _issues = [.. MeshOptionsReader.Read(_configuration, Options)];
        foreach (var action in configure)
        {
            action.Configure(Options);
        }

        if (Options.Discovery.Providers.Count == 0)
        {
            var hasServices = _configuration.GetSection($"{MeshOptions.SectionName}:Services").GetChildren().Any();
            Options.Discovery.Providers.Add(hasServices ? ConfigurationCatalog.CatalogName : FileCatalog.CatalogName);
        }
    }

    public MeshOptions Options { get; }

    public string ContentRoot { get; }

    /// <summary>The catalogs that the options name, in that order.</summary>
    public IReadOnlyList<IEndpointCatalog> CreateCatalogs()
    {
        var others = _services.GetServices<IEndpointCatalog>().ToDictionary(static c => c.Name, StringComparer.OrdinalIgnoreCase);
        var catalogs = new List<IEndpointCatalog>();
        foreach (var name in Options.Discovery.Providers.Distinct(StringComparer.OrdinalIgnoreCase))
        {
            if (name.Equals(ConfigurationCatalog.CatalogName, StringComparison.OrdinalIgnoreCase))
            {
                _issues.AddRange(ConfigurationCatalog.Parse(_configuration, Options).Issues);
                catalogs.Add(new ConfigurationCatalog(_configuration, Options, Logger<ConfigurationCatalog>()));
            }
            else if (name.Equals(FileCatalog.CatalogName, StringComparison.OrdinalIgnoreCase))
            {
                var problems = FileCatalog.Validate(Options.Discovery.File).ToArray();
                _issues.AddRange(problems.Select(static problem => new RuleIssue(
                    IssueSeverity.Error, new SourceLocation("configuration", $"{MeshOptions.SectionName}:Discovery:File"), problem)));
                if (problems.Length == 0)
                {
                    catalogs.Add(new FileCatalog(Options.Discovery.File, ContentRoot, Time, Logger<FileCatalog>()));
                }
            }
            else if (name.Equals(ConsulCatalog.CatalogName, StringComparison.OrdinalIgnoreCase))
            {
                if (Connect() is { } consul)
                {
                    catalogs.Add(_consulCatalog = new ConsulCatalog(consul, Options));
                }
            }
            else if (others.TryGetValue(name, out var other))
            {
                catalogs.Add(other);
            }
            else
            {
                string[] known = [ConfigurationCatalog.CatalogName, FileCatalog.CatalogName, ConsulCatalog.CatalogName, .. others.Keys];
                _issues.Add(new RuleIssue(IssueSeverity.Error, new SourceLocation("configuration", $"{MeshOptions.SectionName}:Discovery:Providers"),
                    $"the catalog '{name}' is not known; allowed are {string.Join(", ", known)}"));
            }
        }

        return catalogs;
    }

    /// <summary>Call after <see cref="CreateCatalogs"/>, so that what is wrong with them is told with the first rules.</summary>
    public IReadOnlyList<IRuleSource> CreateSources()
    {
        var sources = new List<IRuleSource> { new ConfigurationRuleSource(_configuration, Options) };
        if (Options.Config.Files.Count > 0)
        {
            sources.Add(new IstioFileRuleSource(Options, ContentRoot, Time));
        }

        if (_consulCatalog is { } catalog)
        {
            AddConsulSources(sources, catalog);
        }

        if (_issues.Count > 0)
        {
            sources.Add(new SetupIssues(new RuleBatch([], _issues)));
        }

        return sources;
    }

    /// <summary>Where the certificate of the process comes from; null if it is to have none. Call before <see cref="CreateSources"/>.</summary>
    public ICertificateSource? CreateCertificateSource() => CertificateSources.Create(
        Options,
        ContentRoot,
        [.. _services.GetServices<ICertificateSource>()],
        Connect,
        Time,
        _services.GetRequiredService<IRandomSource>(),
        Logger<MeshCertificates>(),
        _issues);

    /// <summary>After everything that was made from it, so that a registration can still be withdrawn.</summary>
    public void Dispose() => _consul?.Dispose();

    private void AddConsulSources(List<IRuleSource> sources, ConsulCatalog catalog)
    {
        var rules = Options.Config.Consul;
        if (rules.KeyPrefix.Length > 0)
        {
            sources.Add(new ConsulKeyValueRules(catalog.Connection, Options));
        }

        if (rules.ConfigEntries || rules.Intentions)
        {
            var entries = new ConsulConfigEntries(catalog.Connection, Options);
            catalog.FollowRules = entries.FollowAsync;
            catalog.Forgotten = entries.Forget;
            sources.Add(entries);
        }
    }

    /// <summary>The one connection of the process; null if the options do not allow one, which is told once.</summary>
    private ConsulConnection? Connect()
    {
        if (_consul is not null || _isConsulRefused)
        {
            return _consul;
        }

        try
        {
            return _consul = ConsulConnection.Create(
                Options, ContentRoot, Time, _services.GetRequiredService<IRandomSource>(), Logger<ConsulCatalog>());
        }
        catch (ConsulException e)
        {
            _isConsulRefused = true;
            _issues.Add(new RuleIssue(
                IssueSeverity.Error, new SourceLocation("configuration", $"{MeshOptions.SectionName}:Discovery:Consul"), e.Message));
            return null;
        }
    }

    private TimeProvider Time => _services.GetRequiredService<TimeProvider>();

    private ILogger<T> Logger<T>() => _services.GetRequiredService<ILogger<T>>();

    /// <summary><c>Contoso.Reviews</c> becomes <c>contoso-reviews</c>: a dot would separate a namespace.</summary>
    private static string DefaultName(string? application) =>
        string.IsNullOrEmpty(application) ? "unnamed" : application.ToLowerInvariant().Replace('.', '-');

    /// <summary>Lets errors of the options and catalogs be told together with those of the rules.</summary>
    private sealed class SetupIssues(RuleBatch batch) : IRuleSource
    {
        public string Name => MeshOptions.SectionName;

        public int Precedence => 0;

        public Task WatchAsync(Action<RuleBatch> publish, CancellationToken stop)
        {
            publish(batch);
            return Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stop);
        }
    }
}

/// <summary>What the application's code changes.</summary>
internal sealed record ConfigureMesh(Action<MeshOptions> Configure);
