using Mesh.Client.Resilience;
using Mesh.Client.Transport;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Runtime.Resilience;

namespace Mesh.Client.Pipeline;

/// <summary>Sends one attempt to one endpoint: the end of the pipeline, for first attempts, retries and hedges alike.</summary>
/// <remarks>
/// The destination's breaker is around the application's own pipeline: to it, as to the outlier detector and the balancer, all
/// that the pipeline does is one attempt, and an open breaker takes nothing from a pipeline's rate limiter. While the breaker is
/// closed nothing is around the attempt; its outcome is reported where the detector's is.
/// </remarks>
internal sealed class AttemptSender(EndpointTransport transport, CircuitBreakers breakers, ApplicationPipelines pipelines)
{
    public Task<HttpResponseMessage> SendAsync(
        DestinationState destination, DestinationView view, EndpointState endpoint, HttpRequestMessage request, CancellationToken cancel)
    {
        if (view.Circuit is { IsProbing: true } circuit)
        {
            return ProbeAsync(circuit, destination, view, endpoint, request, cancel);
        }

        return view.ResiliencePipeline is null
            ? transport.Get(endpoint).SendAsync(request, cancel)
            : SendAllowedAsync(destination, view, endpoint, request, cancel);
    }

    /// <summary>Tells what became of an attempt to those who want to know; not of one that was cancelled, or never sent.</summary>
    public void Report(DestinationView view, EndpointState endpoint, AttemptResult result)
    {
        view.Detector?.Report(endpoint, result);
        if (view.Circuit is { } circuit)
        {
            breakers.Report(circuit, result);
        }
    }

    /// <summary>Apart from <see cref="SendAsync"/>, which would make its closure for every attempt.</summary>
    private Task<HttpResponseMessage> ProbeAsync(
        DestinationCircuit circuit, DestinationState destination, DestinationView view, EndpointState endpoint, HttpRequestMessage request,
        CancellationToken cancel) =>
        breakers.ProbeAsync(circuit, request, () => SendAllowedAsync(destination, view, endpoint, request, cancel));

    private Task<HttpResponseMessage> SendAllowedAsync(
        DestinationState destination, DestinationView view, EndpointState endpoint, HttpRequestMessage request, CancellationToken cancel) =>
        view.ResiliencePipeline is not { } pipeline
            ? transport.Get(endpoint).SendAsync(request, cancel)
            : pipelines.SendAsync(pipeline, destination.Name, request, (copy, token) => transport.Get(endpoint).SendAsync(copy, token), cancel);
}
