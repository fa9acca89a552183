using Mesh.Discovery.Runtime;

namespace Mesh.Client.LoadBalancing;

/// <summary>Reads the weights of endpoints once, when a picker is built: they may change under way.</summary>
internal static class EndpointWeights
{
    /// <summary>The weights, or <see langword="null"/> if all are equal.</summary>
    public static int[]? Read(EndpointState[] endpoints)
    {
        var weights = new int[endpoints.Length];
        var equal = true;
        for (var i = 0; i < weights.Length; i++)
        {
            weights[i] = Math.Max(0, endpoints[i].Endpoint.Weight);
            equal &= weights[i] == weights[0];
        }

        return equal ? null : weights;
    }
}
