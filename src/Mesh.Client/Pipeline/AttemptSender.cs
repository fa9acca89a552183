using Mesh.Client.Transport;
using Mesh.Discovery.Runtime;

namespace Mesh.Client.Pipeline;

/// <summary>Sends one attempt to one endpoint: the end of the pipeline, for first attempts, retries and hedges alike.</summary>
internal sealed class AttemptSender(EndpointTransport transport)
{
    public Task<HttpResponseMessage> SendAsync(
        DestinationView view, EndpointState endpoint, HttpRequestMessage request, CancellationToken cancel) =>
        transport.Get(endpoint).SendAsync(request, cancel);
}
