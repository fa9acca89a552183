namespace Mesh.Discovery.Consul;

/// <summary>A key with rules, as <see cref="ConsulRuleStore"/> reads it.</summary>
/// <param name="Name">The key without the prefix.</param>
/// <param name="Text">
/// One or more documents: Istio's in YAML or JSON, or <c>Routes</c> and <c>Destinations</c> as in the section <c>Mesh</c>.
/// </param>
/// <param name="Version">Grows with each change of the key (Consul: ModifyIndex); what check-and-set compares.</param>
public sealed record ConsulRule(string Name, string Text, ulong Version);
