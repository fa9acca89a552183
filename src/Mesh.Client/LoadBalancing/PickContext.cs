using Mesh.Discovery.Runtime;

namespace Mesh.Client.LoadBalancing;

/// <summary>What a pick may look at.</summary>
public readonly ref struct PickContext
{
    /// <summary>Describes one attempt.</summary>
    /// <param name="request">The request that is about to be sent.</param>
    /// <param name="tried">Endpoints of earlier attempts of the same logical request.</param>
    public PickContext(HttpRequestMessage request, ReadOnlySpan<EndpointState> tried)
    {
        Request = request;
        Tried = tried;
    }

    /// <summary>The request that is about to be sent.</summary>
    public HttpRequestMessage Request { get; }

    /// <summary>Endpoints of earlier attempts of the same logical request; usually empty.</summary>
    public ReadOnlySpan<EndpointState> Tried { get; }

    /// <summary>Whether an earlier attempt used the endpoint.</summary>
    /// <param name="endpoint">The endpoint.</param>
    public bool WasTried(EndpointState endpoint)
    {
        foreach (var tried in Tried)
        {
            if (ReferenceEquals(tried, endpoint))
            {
                return true;
            }
        }

        return false;
    }
}
