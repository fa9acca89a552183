using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Routing;

/// <summary>What the compiler made of all documents.</summary>
/// <param name="Tables">Routes by host.</param>
/// <param name="DestinationRules">Subsets and policies by host.</param>
/// <param name="Entries">Hosts with endpoints of their own.</param>
/// <param name="InEffect">Documents that at least one host follows; the others are hidden by stronger ones.</param>
/// <param name="Issues">Everything that is wrong.</param>
internal sealed record CompiledRules(
    HostTable<RouteTable> Tables,
    HostTable<DestinationRuleConfig> DestinationRules,
    IReadOnlyList<ServiceEntryHost> Entries,
    IReadOnlySet<RuleConfig> InEffect,
    IssueList Issues);
