using Mesh.Discovery;

namespace Mesh.Client.Transport;

/// <summary>
/// Makes the handler that carries requests to one endpoint. Replace the registered one in tests to answer without a
/// network, or to tune sockets; the mesh disposes the handler when the endpoint is gone and nothing is in flight. TLS, also that which
/// rules want, is of the registered one: another one has to see to it itself.
/// </summary>
public interface IEndpointHandlerFactory
{
    /// <summary>Makes the handler for an endpoint. Called at its first request; the requests keep their logical address.</summary>
    /// <param name="endpoint">Where to connect to.</param>
    HttpMessageHandler Create(Endpoint endpoint);
}
