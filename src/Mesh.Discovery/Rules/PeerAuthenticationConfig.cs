namespace Mesh.Discovery.Rules;

/// <summary>What the ports of processes accept (Istio: PeerAuthentication).</summary>
internal sealed record PeerAuthenticationConfig : RuleConfig
{
    public override string Kind => "PeerAuthentication";
    public WorkloadSelector Selector { get; init; } = WorkloadSelector.All;

    /// <summary>Null inherits (Istio: UNSET).</summary>
    public MtlsMode? Mode { get; init; }
    public IReadOnlyDictionary<int, MtlsMode> Ports { get; init; } = new Dictionary<int, MtlsMode>();
}
