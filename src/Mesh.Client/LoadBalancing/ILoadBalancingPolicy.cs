namespace Mesh.Client.LoadBalancing;

/// <summary>
/// A way to choose an endpoint. Register your own with <c>services.AddSingleton&lt;ILoadBalancingPolicy, MyPolicy&gt;()</c>
/// and name it where a rule names one: <c>"LoadBalancer": { "Simple": "MY_POLICY" }</c>.
/// </summary>
/// <remarks>One instance serves all destinations; it must be safe for concurrent use.</remarks>
public interface ILoadBalancingPolicy
{
    /// <summary>The name in rules, compared without regard to case.</summary>
    string Name { get; }

    /// <summary>
    /// Prepares a picker for one destination's present endpoints. Called again whenever they or the rule change, so
    /// tables can be built here; live numbers belong on <see cref="Mesh.Discovery.Runtime.EndpointState"/>, which survives.
    /// </summary>
    /// <param name="context">The endpoints (at least one) and the settings.</param>
    EndpointPicker CreatePicker(LoadBalancingContext context);
}
