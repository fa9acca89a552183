using Mesh.Client.Resilience;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Runtime;

namespace Mesh.Client.Pipeline;

/// <summary>
/// Sends a request through the pipeline of the application that its route names. Whenever that executes, the request makes a pass
/// through the mesh's own pipeline below the draw: with the same route, the same side of the split, and what is left of its time.
/// Safe for concurrent use.
/// </summary>
internal sealed class RoutePasses(ApplicationPipelines pipelines, AttemptTimeouts timeouts, TimeProvider time)
{
    /// <param name="service">Whose route it is.</param>
    /// <param name="original">The request.</param>
    /// <param name="decision">The route and the side of its split.</param>
    /// <param name="start">When the request began.</param>
    /// <param name="deadline">When all passes and the pauses between them must be over.</param>
    /// <param name="send">Makes a pass.</param>
    /// <param name="cancel">The caller's token.</param>
    public async Task<HttpResponseMessage> SendAsync(
        ServiceState service, HttpRequestMessage original, RouteDecision decision, long start, long deadline,
        Func<HttpRequestMessage, RoutePass, CancellationToken, Task<HttpResponseMessage>> send, CancellationToken cancel)
    {
        var passes = 0;
        var limit = timeouts.Rent(deadline, start, cancel);
        try
        {
            var response = await pipelines.SendAsync(
                decision.Route!.ResiliencePipeline!,
                service.Name.ToString(),
                original,
                (request, token) => send(request, new RoutePass(decision, deadline, Interlocked.Increment(ref passes) == 1), token),
                limit.Token).ConfigureAwait(false);
            response.RequestMessage = original;
            return response;
        }
        catch (OperationCanceledException e) when (limit.HasExpired && !cancel.IsCancellationRequested)
        {
            throw Errors.TooLate(time, service.Name.ToString(), original, start, deadline, passes, e);
        }
        catch (OperationCanceledException e) when (cancel.IsCancellationRequested)
        {
            throw new TaskCanceledException(e.Message, e, cancel);
        }
        finally
        {
            // The application's strategies may still hold its token.
            timeouts.Return(limit, canBeReused: false);
        }
    }
}

/// <summary>One of the passes that the application's pipeline makes with a request.</summary>
internal sealed record RoutePass(RouteDecision Decision, long Deadline, bool IsFirst);
