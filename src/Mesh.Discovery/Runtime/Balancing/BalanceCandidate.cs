namespace Mesh.Discovery.Runtime.Balancing;

/// <summary>One endpoint of a destination, as balancing sees it.</summary>
/// <param name="Endpoint">What the catalog says of it.</param>
/// <param name="IsUsable">Whether it may take traffic: neither unhealthy nor ejected.</param>
/// <param name="Warmth">How much of its weight counts, above 0 to 1: less while it is new.</param>
internal readonly record struct BalanceCandidate(Endpoint Endpoint, bool IsUsable, double Warmth = 1);
