namespace Mesh.Discovery.Rules;

/// <summary>A rule source that follows the rules of those services only that the process calls.</summary>
internal interface IOnDemandRuleSource : IRuleSource
{
    /// <summary>Starts to follow the service's rules if they are not followed yet. Safe for concurrent use.</summary>
    /// <returns>Done when its present rules are published, or cannot be had. Never fails.</returns>
    Task FollowAsync(ServiceName service);
}
