using Mesh.Discovery.Runtime;

namespace Mesh.Client.Transport;

/// <summary>Finds or makes an endpoint's invoker, which lives on the endpoint itself and outlives every client.</summary>
internal sealed class EndpointTransport(IEndpointHandlerFactory factory)
{
    public HttpMessageInvoker Get(EndpointState endpoint) => (HttpMessageInvoker?)endpoint.Transport ?? Create(endpoint);

    /// <summary>One that shares no connection with calls.</summary>
    public HttpMessageInvoker CreateOwn(EndpointState endpoint) => new(
        factory is SocketsEndpointHandlerFactory sockets ? sockets.Create(endpoint.Endpoint, endpoint.Connections) : factory.Create(endpoint.Endpoint),
        disposeHandler: true);

    private HttpMessageInvoker Create(EndpointState endpoint)
    {
        var made = CreateOwn(endpoint);
        var other = (HttpMessageInvoker?)Interlocked.CompareExchange(ref endpoint.Transport, made, null);
        if (other is null)
        {
            return made;
        }

        made.Dispose();
        return other;
    }
}
