using Mesh.Discovery;
using Mesh.Discovery.Catalogs;
using Mesh.Discovery.Consul;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Runtime.Resilience;
using Mesh.Discovery.Security;
using Mesh.Discovery.Security.Sources;
using Mesh.Server.Registration;

namespace Mesh.Server.Admin;

/// <summary>
/// Puts together what the endpoints under <c>/mesh</c> tell. Of rules it shows where they are from and where they send
/// calls, but neither what they match nor what they write: header values and direct responses may hold secrets.
/// </summary>
internal sealed class MeshReport(MeshOptions options, MeshRuntime runtime, DrainState drain, MeshCertificates certificates)
{
    /// <summary>Ready means: all catalogs have told their first view, and the process is not leaving.</summary>
    public ReadinessReport Readiness()
    {
        var reasons = new List<string>();
        if (drain.IsDraining)
        {
            reasons.Add("The process is leaving.");
        }

        if (!runtime.Synced.IsCompletedSuccessfully)
        {
            var missing = runtime.Unsynced;
            reasons.Add(missing.Count == 0
                ? "The first rules are not in use yet."
                : $"The first view of {string.Join(", ", missing)} is not there yet.");
        }

        return new ReadinessReport(reasons.Count == 0, reasons);
    }

    public ConfigReport Config()
    {
        var snapshot = runtime.Current;
        return new ConfigReport
        {
            Service = options.Service,
            Namespace = options.Namespace,
            Labels = new Labels(options.Labels),
            Locality = options.Locality,
            Weight = options.Weight,
            Advertise = options.Advertise is { } address ? Describe(address) : null,
            Providers = [.. runtime.Catalogs.Select(static catalog => catalog.Name)],
            Consul = ConsulStatus() is { } status ? Describe(status) : null,
            Certificate = CertificateReport.Of(certificates),
            Options = new OptionsReport
            {
                Discovery = new(
                    runtime.Catalogs.OfType<FileCatalog>().FirstOrDefault()?.CurrentDirectory,
                    options.Discovery.File,
                    options.Discovery.Providers.Contains(ConsulCatalog.CatalogName, StringComparer.OrdinalIgnoreCase)
                        ? Describe(options.Discovery.Consul)
                        : null),
                Config = options.Config,
                Outbound = options.Outbound,
                Inbound = options.Inbound,
                Drain = options.Drain,
                Admin = options.Admin,
            },
            Revision = snapshot.Revision,
            Rules = [.. snapshot.Rules.Select(Describe)],
            Issues = [.. runtime.Issues.Select(static issue =>
                new IssueReport(issue.Severity, issue.Location.ToString(), issue.Message))],
        };
    }

    public EndpointsReport Endpoints()
    {
        var snapshot = runtime.Current;
        return new EndpointsReport(
            snapshot.Revision,
            [.. snapshot.Services
                .OrderBy(static service => service.Name.Host, StringComparer.Ordinal)
                .Select(static service => new ServiceReport
                {
                    Service = service.Name.ToString(),
                    Host = service.Name.Host,
                    Routes = service.Routes.Name.Length == 0 ? null : service.Routes.Name,
                    Endpoints = [.. service.Endpoints.Select(endpoint => Describe(endpoint, service.Checks))],
                    Subsets = service.Rule is { Subsets: { Count: > 0 } subsets }
                        ? [.. subsets.Select(static subset => new SubsetReport(subset.Name, subset.Labels))]
                        : null,
                    Destinations = [.. service.Destinations
                        .OrderBy(static destination => destination.Name, StringComparer.Ordinal)
                        .Select(Describe)],
                })]);
    }

    private ConsulStatus? ConsulStatus() =>
        (runtime.Catalogs.OfType<ConsulCatalog>().FirstOrDefault()?.Connection
            ?? (certificates.Source as ConsulCertificateSource)?.Connection)?.Status;

    private static ConsulStateReport Describe(ConsulStatus status)
    {
        var (error, savedAt) = (status.Error, status.SavedViewOf);
        return new ConsulStateReport(
            savedAt is not null ? "savedView" : error is not null ? "lastView" : status.Refused.Count > 0 ? "refused" : "following",
            error,
            savedAt,
            status.Refused);
    }

    private static ConsulReport Describe(ConsulOptions consul) => new()
    {
        Address = consul.Address is { } address ? ConsulAddress.Show(address) : null,
        Datacenter = consul.Datacenter,
        Token = new ConsulToken(consul).Describe(),
        Tls = consul.Tls,
        TaggedAddress = consul.TaggedAddress,
        AllowStale = consul.AllowStale,
        PassingOnly = consul.PassingOnly,
        WaitTime = consul.WaitTime,
        RequestTimeout = consul.RequestTimeout,
        ShrinkHold = consul.ShrinkHold,
        SavedViewPath = consul.SavedViewPath,
        Follow = [.. consul.Follow],
        Tags = [.. consul.Tags],
        Check = consul.Check,
    };

    private static RuleReport Describe(RuleStatus status) => new()
    {
        Kind = status.Rule.Kind,
        Name = status.Rule.Name,
        Namespace = status.Rule.Namespace,
        Hosts = status.Rule switch
        {
            VirtualServiceConfig rule => rule.Hosts,
            DestinationRuleConfig rule => [rule.Host],
            ServiceEntryConfig rule => rule.Hosts,
            _ => [],
        },
        Source = status.Source,
        Location = status.Rule.Location.ToString(),
        Precedence = status.Precedence,
        InEffect = status.InEffect,
        Routes = status.Rule is VirtualServiceConfig { Http: var routes } ? [.. routes.Select(Describe)] : null,
    };

    private static RouteReport Describe(RouteConfig route) => new(
        route.Name,
        route.Match.Count,
        route.Redirect is not null ? "redirect"
            : route.DirectResponse is not null ? "directResponse"
            : route.Delegate is not null ? "delegate"
            : "route",
        [.. route.Route.Select(static arm => new ArmReport(arm.Host, arm.Subset, arm.Port, arm.Weight))])
    {
        Fault = route.Fault is { } fault ? Describe(fault) : null,
        Mirrors = route.Mirrors.Count == 0 ? null
            : [.. route.Mirrors.Select(static mirror => new MirrorReport(mirror.Host, mirror.Subset, mirror.Port, mirror.Share.Percentage))],
    };

    private static FaultReport Describe(FaultConfig fault) => new()
    {
        Delay = fault.Delay?.FixedDelay,
        DelayPercentage = fault.Delay?.Share.Percentage,
        AbortHttpStatus = fault.Abort?.HttpStatus,
        AbortGrpcStatus = fault.Abort?.GrpcStatus,
        AbortPercentage = fault.Abort?.Share.Percentage,
        HeaderControlled = fault.HeaderControlled,
    };

    private static EndpointReport Describe(EndpointState state, HealthChecker? checks)
    {
        var endpoint = state.Endpoint;
        return new EndpointReport
        {
            Address = Describe(endpoint.Address),
            Labels = endpoint.Labels,
            Weight = endpoint.Weight,
            Locality = endpoint.Locality,
            Health = endpoint.Health,
            FailsChecks = checks?.ProblemOf(state),
            ServicePort = endpoint.ServicePort,
            InFlight = state.InFlight,
        };
    }

    private static DestinationReport Describe(DestinationState state)
    {
        var view = state.View;
        return new DestinationReport
        {
            Destination = state.Name,
            Subset = state.Key.Subset,
            Port = state.Key.Port,
            LoadBalancer = view.LoadBalancer is not { } balancer ? null
                : balancer.Simple ?? (balancer.ConsistentHash is not { } hash ? null : hash.Maglev ? "MAGLEV" : "RING_HASH"),
            Endpoints = [.. view.Endpoints.Select(static endpoint => endpoint.Id)],
            IsPanicking = view.IsPanicking ? true : null,
            Ejected = view.Detector is not { } detector ? null
                : [.. detector.Describe().Select(static e => new EjectionReport(e.Endpoint.Id, Math.Round(e.Left.TotalSeconds, 1), e.Ejections))],
            Balance = BalanceReport.Of(view),
            Warmup = WarmupReport.Of(view.LoadBalancer),
            Limits = Limits(state, view),
            Refused = view.Breaker?.Refused,
            OverLimit = view.Breaker is { Adaptive: not null } watched ? watched.OverLimit : null,
            CircuitBreaker = view.Circuit is { } circuit ? Describe(circuit) : null,
            ResiliencePipeline = view.ResiliencePipeline,
            RetryBudget = state.KnownRetries is { } retries ? Describe(retries, state.Service.Resilience.Time) : null,
            Hedges = state.KnownHedges is { } hedges ? new HedgesReport(hedges.Sent, hedges.Refused) : null,
        };
    }

    private static List<LimitReport>? Limits(DestinationState state, DestinationView view)
    {
        var limits = new List<LimitReport>();
        if (view.Breaker is { } breaker)
        {
            var inFlight = breaker.InFlight;
            if (breaker.Limits.MaxRequests is { } requests)
            {
                limits.Add(Limit("MaxRequests", requests, inFlight));
            }

            if (breaker.Limits is { MaxPendingRequests: { } pending, MaxConnections: { } connections })
            {
                limits.Add(Limit("MaxPendingRequests", pending, Math.Max(0, inFlight - ((long)connections * view.Endpoints.Length))));
            }
        }

        if (view.Breaker is { Adaptive: { } adaptive } counted)
        {
            limits.Add(Limit("AdaptiveConcurrency", adaptive.Value, counted.Unanswered));
        }

        if (view.MaxRetries is { } maxRetries)
        {
            limits.Add(Limit("MaxRetries", maxRetries, state.KnownRetries?.Active ?? 0));
        }

        return limits.Count == 0 ? null : limits;

        static LimitReport Limit(string name, int limit, long inUse) => new(name, limit, inUse, Math.Max(0, limit - inUse));
    }

    private static CircuitBreakerReport Describe(DestinationCircuit circuit) => new(
        circuit.State,
        circuit.IsForced,
        circuit.Left is { } left ? Math.Round(left.TotalSeconds, 1) : null,
        circuit.Settings.FailureRatio,
        circuit.Settings.MinimumThroughput,
        circuit.Refused);

    private static RetryBudgetReport Describe(RetryBudget retries, TimeProvider time) => new(
        retries.Settings.Percent,
        retries.Settings.MinRetriesPerSecond,
        retries.Settings.MinRetryConcurrency,
        Math.Floor(Math.Max(0, retries.Balance(time.GetTimestamp()))),
        retries.Active,
        retries.Refused);

    /// <summary>Without a user and password, should there be any.</summary>
    private static string Describe(Uri address) =>
        address.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped);
}
