using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Runtime.Balancing;

/// <summary>The endpoints that belong to a destination, and those of them that their catalog calls healthy.</summary>
internal readonly record struct EndpointSelection(List<EndpointState> All, List<EndpointState> Healthy)
{
    public static EndpointSelection Nothing => new([], []);

    /// <summary>Those for the port, in the subset, and in a locality that may be used.</summary>
    public static EndpointSelection Of(EndpointState[] endpoints, int? port, SubsetConfig? subset, BalanceSettings? balance)
    {
        var (all, healthy) = (new List<EndpointState>(), new List<EndpointState>());
        var anyWeight = false;
        foreach (var state in endpoints)
        {
            var endpoint = state.Endpoint;
            if ((endpoint.ServicePort is null || port is null || endpoint.ServicePort == port)
                && (subset is null || Selects(subset, endpoint)) && balance?.Admits(endpoint) != false)
            {
                all.Add(state);
                if (endpoint.Health == EndpointHealth.Healthy)
                {
                    healthy.Add(state);
                    anyWeight |= endpoint.Weight > 0;
                }
            }
        }

        // A weight of zero takes traffic only if all others have zero, too.
        if (anyWeight && healthy.RemoveAll(static state => state.Endpoint.Weight <= 0) > 0)
        {
            all.RemoveAll(static state => state.Endpoint is { Health: EndpointHealth.Healthy, Weight: <= 0 });
        }

        return new EndpointSelection(all, healthy);
    }

    private static bool Selects(SubsetConfig subset, Endpoint endpoint) =>
        endpoint.Labels.Contains(subset.Labels)
        && !(subset.OnlyPassing && endpoint.Consul is { IsWarning: true })
        && subset.Filter?.Matches(endpoint) != false;
}
