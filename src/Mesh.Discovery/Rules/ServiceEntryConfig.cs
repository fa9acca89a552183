namespace Mesh.Discovery.Rules;

/// <summary>Hosts that no catalog holds, with their endpoints (Istio: ServiceEntry).</summary>
internal sealed record ServiceEntryConfig : RuleConfig
{
    public override string Kind => "ServiceEntry";
    public IReadOnlyList<string> Hosts { get; init; } = [];
    public IReadOnlyList<ServicePortConfig> Ports { get; init; } = [];
    public ServiceResolution Resolution { get; init; }
    public IReadOnlyList<WorkloadEntryConfig> Endpoints { get; init; } = [];

    /// <summary>Who may answer over TLS, where no destination rule says so.</summary>
    public IReadOnlyList<string> SubjectAltNames { get; init; } = [];
}

/// <summary>A port of a service (Istio: ServicePort).</summary>
internal sealed record ServicePortConfig(int Number, string Name, string Protocol, int? TargetPort, SourceLocation Location);

/// <summary>One endpoint of a ServiceEntry (Istio: WorkloadEntry).</summary>
internal sealed record WorkloadEntryConfig
{
    public required SourceLocation Location { get; init; }
    public required string Address { get; init; }

    /// <summary>Port name → port of this endpoint.</summary>
    public IReadOnlyDictionary<string, int> Ports { get; init; } = new Dictionary<string, int>();
    public Labels Labels { get; init; } = Labels.Empty;
    public int Weight { get; init; } = 1;
    public Locality Locality { get; init; } = Locality.Unknown;
}

/// <summary>How the addresses of a ServiceEntry are found (Istio: Resolution).</summary>
internal enum ServiceResolution
{
    /// <summary>The call goes to the host that was dialled.</summary>
    None,

    /// <summary>The endpoints' addresses are IP addresses.</summary>
    Static,

    /// <summary>The endpoints' addresses, or the host itself, are DNS names.</summary>
    Dns,
}
