namespace Mesh.Discovery.Rules;

/// <summary>What Consul does with calls that no intention is about.</summary>
internal sealed record IntentionDefaultConfig : RuleConfig
{
    public override string Kind => "IntentionDefault";
    public bool Allow { get; init; }
}
