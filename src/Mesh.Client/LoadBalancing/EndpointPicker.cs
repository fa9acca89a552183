using Mesh.Discovery.Runtime;

namespace Mesh.Client.LoadBalancing;

/// <summary>Chooses among a fixed set of endpoints. Called for every attempt by many threads at once; must not lock or allocate.</summary>
public abstract class EndpointPicker
{
    /// <summary>Whether <see cref="OnCompleted"/> wants to be called. Default false: no clock is read then.</summary>
    public virtual bool MeasuresLatency => false;

    /// <summary>Chooses the endpoint of one attempt.</summary>
    /// <param name="context">
    /// The request, and the endpoints that failed earlier attempts: avoid those as long as there is another one.
    /// </param>
    /// <returns>One of the endpoints that the picker was created for.</returns>
    public abstract EndpointState Pick(in PickContext context);

    /// <summary>Learns how an attempt went, exactly once for each attempt that was sent.</summary>
    /// <param name="endpoint">What <see cref="Pick"/> returned.</param>
    /// <param name="outcome">How it went.</param>
    public virtual void OnCompleted(EndpointState endpoint, in AttemptOutcome outcome)
    {
    }

    /// <summary>
    /// Called once for a logical request, before its first pick: makes the cookie that ties the caller to an endpoint, if
    /// the rule asks for one and the request has none. The key is kept in the request's options, where
    /// <see cref="Pick"/> finds it.
    /// </summary>
    /// <param name="request">The request that is about to be sent.</param>
    /// <returns>The <c>Set-Cookie</c> header to add to the response; <see langword="null"/> (usual) for none.</returns>
    internal virtual string? CreateAffinityCookie(HttpRequestMessage request) => null;
}
