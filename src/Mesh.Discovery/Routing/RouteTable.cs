namespace Mesh.Discovery.Routing;

/// <summary>All compiled routes of one host, in order. Immutable once published.</summary>
internal sealed class RouteTable(string name, Route[] routes)
{
    /// <summary>The rule document that the routes come from; empty for the default route.</summary>
    public string Name { get; } = name;

    public Route[] Routes { get; } = routes;

    /// <summary>
    /// The decision: a pure function of the rules, the request and the random source. The same one serves the handlers
    /// and everything that explains them.
    /// </summary>
    /// <returns>The first matching route with the arm drawn from its split; default if no route matches.</returns>
    public RouteDecision Decide(HttpRequestMessage request, IRandomSource random)
    {
        foreach (var route in Routes)
        {
            if (route.TryMatch(request, out var match))
            {
                return new RouteDecision(route, route.Arms.Length > 0 ? route.Draw(random) : null, match);
            }
        }

        return default;
    }
}

/// <summary>What the mesh does with one request.</summary>
/// <param name="Route">The route; null if none matched.</param>
/// <param name="Arm">Where it goes; null if the route answers itself.</param>
/// <param name="Match">The entry that matched; null if the route matches everything.</param>
internal readonly record struct RouteDecision(Route? Route, RouteArm? Arm, RouteMatch? Match);
