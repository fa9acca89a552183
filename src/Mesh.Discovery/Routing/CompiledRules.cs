using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Routing;

/// <summary>What the compiler made of all documents.</summary>
/// <param name="Tables">Routes by host.</param>
/// <param name="DestinationRules">Subsets and policies by host.</param>
/// <param name="Entries">Hosts with endpoints of their own.</param>
/// <param name="Guards">What intentions deny this process.</param>
/// <param name="Inbound">What holds for requests that this process serves.</param>
/// <param name="InEffect">Documents of which at least one host follows something; the others are hidden by stronger ones, or about others.</param>
/// <param name="Issues">Everything that is wrong.</param>
internal sealed record CompiledRules(
    HostTable<RouteTable> Tables,
    HostTable<DestinationRuleConfig> DestinationRules,
    IReadOnlyList<ServiceEntryHost> Entries,
    GuardTable Guards,
    InboundRules Inbound,
    IReadOnlySet<RuleConfig> InEffect,
    IssueList Issues);
