namespace Mesh.Client.LoadBalancing;

/// <summary>Reads the weights of endpoints once, when a picker is built: they may change under way.</summary>
internal static class EndpointWeights
{
    /// <summary>The weights, or <see langword="null"/> if all are equal.</summary>
    public static int[]? Read(LoadBalancingContext context)
    {
        var weights = context.WeightArray;
        return Array.TrueForAll(weights, weight => weight == weights[0]) ? null : weights;
    }
}
