namespace Mesh.Discovery.Routing;

/// <summary>All compiled routes of one host, in order. Immutable once published.</summary>
internal sealed class RouteTable(string name, Route[] routes)
{
    /// <summary>The rule document that the routes come from; empty for the default route.</summary>
    public string Name { get; } = name;

    public Route[] Routes { get; } = routes;

    /// <summary>What refuses requests before any route is looked at; null if nothing does.</summary>
    public Guard? Guard { get; private init; }

    /// <summary>The same routes behind a guard.</summary>
    public RouteTable With(Guard guard) => new(Name, Routes) { Guard = guard };

    /// <summary>
    /// The decision: a pure function of the rules, the request and the random source. The same one serves the handlers
    /// and everything that explains them.
    /// </summary>
    /// <returns>
    /// The first matching route with the arm drawn from its split; the guard alone if that refuses; default if no route
    /// matches.
    /// </returns>
    public RouteDecision Decide(HttpRequestMessage request, IRandomSource random)
    {
        if (Guard is { } guard && guard.Denies(request))
        {
            return new RouteDecision(null, null, null, guard);
        }

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
/// <param name="DeniedBy">What refuses the request; null if nothing does.</param>
internal readonly record struct RouteDecision(Route? Route, RouteArm? Arm, RouteMatch? Match, Guard? DeniedBy = null);
