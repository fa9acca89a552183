using System.Runtime.CompilerServices;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Routing;

/// <summary>
/// Unites what sources of different strength say of one host: subsets by name, and each part of the policy, where the
/// stronger source that says something wins.
/// </summary>
/// <remarks>Of the same two documents it makes the same object, so that a service can see that nothing has changed.</remarks>
internal static class DestinationRuleMerge
{
    /// <summary>By the stronger one, then by the weaker one. As long as both live.</summary>
    private static readonly ConditionalWeakTable<DestinationRuleConfig, ConditionalWeakTable<DestinationRuleConfig, DestinationRuleConfig>>
        s_merged = [];

    /// <summary>The stronger rule itself if the weaker one has nothing to add.</summary>
    public static DestinationRuleConfig Merge(DestinationRuleConfig strong, DestinationRuleConfig weak)
    {
        var subsets = weak.Subsets.Where(subset => !strong.Subsets.Any(known => known.Name == subset.Name)).ToList();
        var policy = strong.TrafficPolicy.Or(weak.TrafficPolicy);
        if (subsets.Count == 0 && ReferenceEquals(policy, strong.TrafficPolicy))
        {
            return strong;
        }

        return s_merged.GetOrCreateValue(strong).GetValue(weak, _ => strong with
        {
            Subsets = [.. strong.Subsets, .. subsets],
            TrafficPolicy = policy,
        });
    }
}
