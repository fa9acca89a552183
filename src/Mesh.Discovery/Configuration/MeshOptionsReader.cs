using Mesh.Discovery.Rules;
using Mesh.Discovery.Rules.Reading;
using Microsoft.Extensions.Configuration;

namespace Mesh.Discovery.Configuration;

/// <summary>
/// Fills options from the section <c>Mesh</c>. The reader of rules and not the configuration binder does it, for the
/// sake of unknown keys, all errors at once, their places, and trimming.
/// </summary>
internal static class MeshOptionsReader
{
    private static readonly TimeSpan s_shortestPoll = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan s_shortestMirror = TimeSpan.FromMilliseconds(1);

    /// <summary>Reads the section into the options; what is not written or wrong stays as it is.</summary>
    /// <returns>What was found.</returns>
    public static IReadOnlyList<RuleIssue> Read(IConfiguration configuration, MeshOptions options)
    {
        var reading = new RuleReading(RuleDialect.Configuration, options.Namespace, strict: false);
        var value = new ConfigurationTree(configuration).Read(MeshOptions.SectionName, reading);
        if (!value.IsEmpty && value.Object() is { } mesh)
        {
            Read(mesh, options);
        }

        return reading.Issues;
    }

    private static void Read(ObjectReader mesh, MeshOptions options)
    {
        options.Service = Name(mesh, "service") ?? options.Service;
        options.Namespace = Name(mesh, "namespace") ?? options.Namespace;
        foreach (var (key, label) in mesh.Labels("labels"))
        {
            options.Labels[key] = label;
        }

        options.Locality = mesh.Object("locality") is { } locality ? LocalityReader.Read(locality) : options.Locality;
        options.Weight = mesh.Int("weight", 0, ServiceEntryReader.MaxWeight) ?? options.Weight;
        options.Advertise = mesh.Find("advertise") is { } address ? AddressText.Read(address) : options.Advertise;
        Read(mesh.Object("discovery"), options.Discovery);
        Read(mesh.Object("config"), options.Config);
        Read(mesh.Object("outbound"), options.Outbound);
        InboundOptionsReader.Read(mesh.Object("inbound"), options.Inbound);
        SecurityOptionsReader.Read(mesh.Object("security"), options.Security);
        if (mesh.Object("drain") is { } drain)
        {
            options.Drain.Delay = drain.Duration("delay") ?? options.Drain.Delay;
            drain.Done();
        }

        if (mesh.Object("admin") is { } admin)
        {
            options.Admin.Enabled = admin.Bool("enabled") ?? options.Admin.Enabled;
            AdminIdentitiesReader.Read(admin, options.Admin);
            admin.Done();
        }

        // Read by the catalog and the rule source.
        mesh.Find("services");
        mesh.Find("routes");
        mesh.Find("destinations");
        mesh.Find("authorization");
        mesh.Find(RequestAuthenticationReader.Section);
        mesh.Done();
    }

    private static void Read(ObjectReader? discovery, DiscoveryOptions options)
    {
        if (discovery is null)
        {
            return;
        }

        Replace(options.Providers, discovery, "providers");
        if (discovery.Object("file") is { } file)
        {
            options.File.Path = file.Text("path") ?? options.File.Path;
            options.File.PollInterval = file.Duration("pollInterval", s_shortestPoll) ?? options.File.PollInterval;
            options.File.HeartbeatInterval =
                file.Duration("heartbeatInterval", s_shortestPoll) ?? options.File.HeartbeatInterval;
            options.File.Expiry = file.Duration("expiry") ?? options.File.Expiry;
            file.Done();
            if (options.File.Expiry <= options.File.HeartbeatInterval)
            {
                file.Error("Expiry must be longer than HeartbeatInterval, or live instances would be dropped");
            }
        }

        ConsulOptionsReader.Read(discovery.Object("consul"), options.Consul);
        discovery.Done();
    }

    private static void Read(ObjectReader? config, RuleFileOptions options)
    {
        if (config is null)
        {
            return;
        }

        Replace(options.Files, config, "files");
        options.Strict = config.Bool("strict") ?? options.Strict;
        options.MaxFileSize = config.Int("maxFileSize", 1, 64 * 1024 * 1024) ?? options.MaxFileSize;
        options.PollInterval = config.Duration("pollInterval", s_shortestPoll) ?? options.PollInterval;
        ConsulOptionsReader.Read(config.Object("consul"), options.Consul);
        config.Done();
    }

    private static void Read(ObjectReader? outbound, OutboundOptions options)
    {
        if (outbound is null)
        {
            return;
        }

        options.UnknownHosts = outbound.Find("unknownHosts")?.OneOf(
            ("Allow", UnknownHosts.Allow), ("Refuse", UnknownHosts.Refuse)) ?? options.UnknownHosts;
        options.UnknownHostTimeout = outbound.Duration("unknownHostTimeout") ?? options.UnknownHostTimeout;
        options.FirstViewTimeout = outbound.Duration("firstViewTimeout") ?? options.FirstViewTimeout;
        options.Timeout = outbound.Duration("timeout") ?? options.Timeout;
        options.PerTryTimeout = outbound.Duration("perTryTimeout") ?? options.PerTryTimeout;
        options.IdleTimeout = outbound.Duration("idleTimeout") ?? options.IdleTimeout;
        options.ConnectTimeout = outbound.Duration("connectTimeout") ?? options.ConnectTimeout;
        options.RetryAttempts = outbound.Int("retryAttempts") ?? options.RetryAttempts;
        options.HeaderFaults = outbound.Bool("headerFaults") ?? options.HeaderFaults;
        options.MaxActiveFaults = outbound.Int("maxActiveFaults") ?? options.MaxActiveFaults;
        options.MaxActiveMirrors = outbound.Int("maxActiveMirrors") ?? options.MaxActiveMirrors;
        options.MirrorTimeout = outbound.Duration("mirrorTimeout", s_shortestMirror) ?? options.MirrorTimeout;
        options.RetryBudget = outbound.ObjectOrEmpty("retryBudget") is { } budget
            ? RetryBudgetReader.Read(budget, options.RetryBudget)
            : options.RetryBudget;
        options.OutlierDetection = outbound.ObjectOrEmpty("outlierDetection") is { } outlier
            ? OutlierDetectionReader.Read(outlier, options.OutlierDetection ?? new OutlierDetectionConfig())
            : options.OutlierDetection;
        options.CircuitBreaker = outbound.ObjectOrEmpty("circuitBreaker") is { } breaker
            ? CircuitBreakerReader.Read(breaker, options.CircuitBreaker ?? new CircuitBreakerConfig())
            : options.CircuitBreaker;
        options.LocalityLbSetting = outbound.ObjectOrEmpty("localityLbSetting") is { } locality
            ? LocalityLbReader.Read(locality)
            : options.LocalityLbSetting;
        outbound.Done();
    }

    private static string? Name(ObjectReader mesh, string key)
    {
        if (mesh.Text(key) is not { } name)
        {
            return null;
        }

        if (HostText.IsHost(name, wildcard: false) && !name.Contains('.') && !name.Contains(':'))
        {
            return name;
        }

        mesh.Find(key)!.Value.Refuse("is not a name", "letters, digits, '-' and '_', at most 63 characters, no dots");
        return null;
    }

    private static void Replace(IList<string> list, ObjectReader owner, string key)
    {
        if (owner.Find(key) is not { } value)
        {
            return;
        }

        list.Clear();
        foreach (var text in value.Texts())
        {
            list.Add(text);
        }
    }
}
