using System.Text.Json;
using System.Text.Json.Serialization;
using Mesh.Discovery;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime.Resilience;

namespace Mesh.Server.Admin;

internal sealed record ReadinessReport(bool Ready, IReadOnlyList<string> Reasons);

internal sealed record ConfigReport
{
    public required string Service { get; init; }
    public required string Namespace { get; init; }
    public required IReadOnlyDictionary<string, string> Labels { get; init; }
    public required Locality Locality { get; init; }
    public required int Weight { get; init; }
    public string? Advertise { get; init; }
    public required IReadOnlyList<string> Providers { get; init; }

    /// <summary>How it stands with the Consul agent, if there is one.</summary>
    public ConsulStateReport? Consul { get; init; }

    /// <summary>Who this process is, if it is to have a certificate.</summary>
    public CertificateReport? Certificate { get; init; }
    public required OptionsReport Options { get; init; }
    public required long Revision { get; init; }
    public required IReadOnlyList<RuleReport> Rules { get; init; }
    public required IReadOnlyList<IssueReport> Issues { get; init; }
}

/// <summary>The options in effect. None of these types holds a secret; one that comes to do so needs its own type here.</summary>
internal sealed record OptionsReport
{
    public required DiscoveryReport Discovery { get; init; }
    public required RuleFileOptions Config { get; init; }
    public required OutboundOptions Outbound { get; init; }
    public required InboundOptions Inbound { get; init; }
    public required DrainOptions Drain { get; init; }
    public required AdminOptions Admin { get; init; }
}

/// <param name="Directory">Where the File catalog lies, if it is used and could be opened.</param>
/// <param name="File">Its options as given.</param>
/// <param name="Consul">The options of the Consul catalog, if it is used.</param>
internal sealed record DiscoveryReport(string? Directory, FileCatalogOptions File, ConsulReport? Consul);

/// <param name="State"><c>following</c>, <c>refused</c> (some of it), <c>lastView</c> (it does not answer) or <c>savedView</c> (nor has it since the start).</param>
/// <param name="Error">Why it does not answer.</param>
/// <param name="SavedAt">Of when the saved view is.</param>
/// <param name="Refused">What it refuses, by query.</param>
internal sealed record ConsulStateReport(string State, string? Error, DateTimeOffset? SavedAt, IReadOnlyList<string> Refused);

/// <summary>The options of Consul without the token.</summary>
internal sealed record ConsulReport
{
    public required string? Address { get; init; }
    public required string Datacenter { get; init; }

    /// <summary>Whether there is a token, and where it is from.</summary>
    public required string Token { get; init; }
    public required ConsulTlsOptions Tls { get; init; }
    public required string TaggedAddress { get; init; }
    public required bool AllowStale { get; init; }
    public required bool PassingOnly { get; init; }
    public required TimeSpan WaitTime { get; init; }
    public required TimeSpan RequestTimeout { get; init; }
    public required TimeSpan ShrinkHold { get; init; }
    public required string SavedViewPath { get; init; }
    public required IReadOnlyList<string> Follow { get; init; }
    public required IReadOnlyList<string> Tags { get; init; }
    public required ConsulCheckOptions Check { get; init; }
}

internal sealed record RuleReport
{
    public required string Kind { get; init; }
    public required string Name { get; init; }
    public required string Namespace { get; init; }
    public required IReadOnlyList<string> Hosts { get; init; }
    public required string Source { get; init; }
    public required string Location { get; init; }
    public required int Precedence { get; init; }
    public required bool InEffect { get; init; }

    /// <summary>Of a VirtualService: what its routes do, in order.</summary>
    public IReadOnlyList<RouteReport>? Routes { get; init; }
}

/// <param name="Name">Its name, if it has one.</param>
/// <param name="Matches">How many entries of its match there are; 0 matches everything.</param>
/// <param name="Action"><c>route</c>, <c>redirect</c>, <c>directResponse</c> or <c>delegate</c>.</param>
/// <param name="Destinations">The arms of the split.</param>
internal sealed record RouteReport(string? Name, int Matches, string Action, IReadOnlyList<ArmReport> Destinations)
{
    /// <summary>What goes wrong on purpose.</summary>
    public FaultReport? Fault { get; init; }

    /// <summary>Where copies go.</summary>
    public IReadOnlyList<MirrorReport>? Mirrors { get; init; }
}

internal sealed record FaultReport
{
    public TimeSpan? Delay { get; init; }
    public decimal? DelayPercentage { get; init; }
    public int? AbortHttpStatus { get; init; }
    public int? AbortGrpcStatus { get; init; }
    public decimal? AbortPercentage { get; init; }

    /// <summary>Whether requests may ask for faults by headers.</summary>
    public required bool HeaderControlled { get; init; }
}

internal sealed record MirrorReport(string Host, string? Subset, int? Port, decimal Percentage);

internal sealed record ArmReport(string Host, string? Subset, int? Port, int? Weight);

internal sealed record IssueReport(IssueSeverity Severity, string Location, string Message);

internal sealed record EndpointsReport(long Revision, IReadOnlyList<ServiceReport> Services);

internal sealed record ServiceReport
{
    public required string Service { get; init; }
    public required string Host { get; init; }

    /// <summary>The rule document that routes calls to it; absent for the default route.</summary>
    public string? Routes { get; init; }
    public required IReadOnlyList<EndpointReport> Endpoints { get; init; }
    public IReadOnlyList<SubsetReport>? Subsets { get; init; }
    public required IReadOnlyList<DestinationReport> Destinations { get; init; }
}

internal sealed record SubsetReport(string Name, IReadOnlyDictionary<string, string> Labels);

internal sealed record EndpointReport
{
    public required string Address { get; init; }
    public required IReadOnlyDictionary<string, string> Labels { get; init; }
    public required int Weight { get; init; }
    public required Locality Locality { get; init; }
    public required EndpointHealth Health { get; init; }

    /// <summary>What the last health check of this process found; absent while it passes, or without checks.</summary>
    public string? FailsChecks { get; init; }
    public int? ServicePort { get; init; }
    public required int InFlight { get; init; }
}

/// <summary>What policies attach to, with the endpoints that may take its traffic now.</summary>
internal sealed record DestinationReport
{
    public required string Destination { get; init; }
    public string? Subset { get; init; }
    public int? Port { get; init; }
    public string? LoadBalancer { get; init; }
    public required IReadOnlyList<string> Endpoints { get; init; }

    /// <summary>True while ejected endpoints take traffic because too few are healthy.</summary>
    public bool? IsPanicking { get; init; }

    /// <summary>Endpoints that are ejected now; absent where no outliers are detected.</summary>
    public IReadOnlyList<EjectionReport>? Ejected { get; init; }

    /// <summary>How traffic is shared out, if the weights of endpoints do not say all.</summary>
    public BalanceReport? Balance { get; init; }

    /// <summary>How newcomers warm up, if they do.</summary>
    public WarmupReport? Warmup { get; init; }

    /// <summary>Limits of requests, if there are any.</summary>
    public IReadOnlyList<LimitReport>? Limits { get; init; }

    /// <summary>How many requests these limits have refused; absent where requests are not counted.</summary>
    public long? Refused { get; init; }

    /// <summary>How many were over the limit that finds itself and let in, because it only watches; absent without one.</summary>
    public long? OverLimit { get; init; }

    /// <summary>The failure-rate breaker, if there is one.</summary>
    public CircuitBreakerReport? CircuitBreaker { get; init; }

    /// <summary>The application's own pipeline around each attempt, if there is one.</summary>
    public string? ResiliencePipeline { get; init; }

    /// <summary>The retry budget, once there was a request.</summary>
    public RetryBudgetReport? RetryBudget { get; init; }

    /// <summary>Second attempts beside first ones, once there was a request that may have one.</summary>
    public HedgesReport? Hedges { get; init; }
}

/// <param name="Sent">How many were sent.</param>
/// <param name="Refused">How many were not, for want of budget.</param>
internal sealed record HedgesReport(long Sent, long Refused);

/// <param name="Endpoint">Host and port.</param>
/// <param name="Seconds">For how much longer.</param>
/// <param name="Ejections">How many ejections are not forgiven.</param>
internal sealed record EjectionReport(string Endpoint, double Seconds, int Ejections);

/// <param name="Name">The limit.</param>
/// <param name="Limit">Its value.</param>
/// <param name="InUse">How much of it is taken.</param>
/// <param name="Remaining">How much of it is left.</param>
internal sealed record LimitReport(string Name, int Limit, long InUse, long Remaining);

/// <param name="State"><c>Closed</c>, <c>Open</c> or <c>HalfOpen</c>.</param>
/// <param name="Forced">Whether an operator holds it there.</param>
/// <param name="Seconds">How long until a call may be let through, while it is open.</param>
/// <param name="FailureRatio">The share of failures that opens it.</param>
/// <param name="MinimumThroughput">Of at least so many attempts.</param>
/// <param name="Refused">Calls that failed at once since the start.</param>
internal sealed record CircuitBreakerReport(
    CircuitState State, bool Forced, double? Seconds, double FailureRatio, int MinimumThroughput, long Refused);

/// <param name="Percent">The share of requests.</param>
/// <param name="MinRetriesPerSecond">What is possible beside.</param>
/// <param name="MinRetryConcurrency">Below so many under way one more is always possible.</param>
/// <param name="Remaining">Retries that are possible now.</param>
/// <param name="Active">Retries under way.</param>
/// <param name="Refused">Retries that were refused since the start.</param>
internal sealed record RetryBudgetReport(
    double Percent, int MinRetriesPerSecond, int MinRetryConcurrency, double Remaining, int Active, long Refused);

[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    WriteIndented = true,
    UseStringEnumConverter = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ReadinessReport))]
[JsonSerializable(typeof(ConfigReport))]
[JsonSerializable(typeof(EndpointsReport))]
internal sealed partial class MeshReportJson : JsonSerializerContext;
