using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;

namespace Mesh.Discovery.Routing;

/// <summary>One compiled route.</summary>
internal sealed class Route
{
    /// <summary>Its name, or <c>#2</c> for the second one without.</summary>
    public required string Name { get; init; }

    /// <summary>Any of these must match; null matches everything.</summary>
    public RouteMatch[]? Matches { get; init; }

    /// <summary>Where to; empty if the route answers itself.</summary>
    public RouteArm[] Arms { get; init; } = [];

    /// <summary>The sum of the arms' weights.</summary>
    public int TotalWeight { get; init; }
    public RedirectConfig? Redirect { get; init; }
    public DirectResponseConfig? DirectResponse { get; init; }
    public UriRewrite? Rewrite { get; init; }
    public HeaderOperations? RequestHeaders { get; init; }
    public HeaderOperations? ResponseHeaders { get; init; }

    /// <summary>Null: the default; zero: none.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>Of a response's body. Null: the default; zero: none.</summary>
    public TimeSpan? IdleTimeout { get; init; }
    public required RetryPolicy Retries { get; init; }

    /// <summary>Null: none.</summary>
    public HedgingConfig? Hedging { get; init; }

    /// <summary>The name of the application's own pipeline around the request. Null: none.</summary>
    public string? ResiliencePipeline { get; init; }

    /// <summary>What this route does that few do.</summary>
    public RouteExtras Extras { get; init; }

    /// <summary>With <see cref="RouteExtras.Fault"/>.</summary>
    public FaultPlan? Fault { get; init; }

    /// <summary>With <see cref="RouteExtras.Mirrors"/>.</summary>
    public RouteMirror[] Mirrors { get; init; } = [];

    /// <summary>Whether the route, or the arm, changes the message, so that a copy must be sent.</summary>
    public bool ChangesRequest => (Extras & RouteExtras.ChangesRequest) != 0;

    public bool TryMatch(HttpRequestMessage request, out RouteMatch? matched)
    {
        matched = null;
        if (Matches is null)
        {
            return true;
        }

        foreach (var match in Matches)
        {
            if (match.Matches(request))
            {
                matched = match;
                return true;
            }
        }

        return false;
    }

    /// <summary>Draws one arm of the split. A route with one arm draws nothing.</summary>
    public RouteArm Draw(IRandomSource random)
    {
        var arms = Arms;
        if (arms.Length == 1)
        {
            return arms[0];
        }

        var point = random.Next(TotalWeight);
        foreach (var arm in arms)
        {
            point -= arm.Weight;
            if (point < 0)
            {
                return arm;
            }
        }

        return arms[^1];
    }
}

/// <summary>What few routes do, in one field, so that the others are asked once.</summary>
[Flags]
internal enum RouteExtras
{
    None = 0,
    ChangesRequest = 1,
    Fault = 2,
    Mirrors = 4,
}

/// <summary>Where copies of a share of the requests go.</summary>
internal sealed record RouteMirror(RouteArm Target, Share Share);

/// <summary>One arm of a split.</summary>
internal sealed class RouteArm
{
    public required DestinationKey Key { get; init; }
    public required int Weight { get; init; }
    public HeaderOperations? RequestHeaders { get; init; }
    public HeaderOperations? ResponseHeaders { get; init; }

    /// <summary>In this order used in place of the destination while that has no endpoint. Null: none.</summary>
    public RouteArm[]? Failover { get; init; }

    /// <summary>Bound before the table is published.</summary>
    public DestinationState Destination { get; set; } = null!;
}
