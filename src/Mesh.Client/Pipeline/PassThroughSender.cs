using Mesh.Discovery;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Runtime;

namespace Mesh.Client.Pipeline;

/// <summary>Sends what the mesh does not balance by the client's own handler, to the address that was dialled; the time limits still hold.</summary>
internal sealed class PassThroughSender(
    MeshRuntime runtime, AttemptTimeouts timeouts, IdleLimits idleLimits, MeshOptions options, TimeProvider time)
{
    private readonly OutboundOptions _options = options.Outbound;

    /// <summary>Sends to a host that nobody knows.</summary>
    /// <exception cref="UnknownHostException">Such calls are refused.</exception>
    public Task<HttpResponseMessage> SendUnknownAsync(HttpRequestMessage request, MeshHandler client, CancellationToken cancel)
    {
        var host = request.RequestUri!.Host;
        if (_options.UnknownHosts != UnknownHosts.Allow)
        {
            throw new UnknownHostException(host);
        }

        var start = time.GetTimestamp();
        var deadline = Math.Min(
            new Timestamps(time).After(start, _options.UnknownHostTimeout), MeshRequestContext.Current?.Deadline ?? Timestamps.Never);
        return SendAsync(request, host, null, client, start, deadline, cancel);
    }

    /// <summary>What stands for a host that the present snapshot does not know: waits for the first view, and asks those that follow services on demand.</summary>
    public async ValueTask<ServiceState?> FindAsync(string host, CancellationToken cancel)
    {
        if (!runtime.Synced.IsCompleted)
        {
            await runtime.StartAsync(cancel).ConfigureAwait(false);
            await runtime.WaitForSyncAsync(_options.FirstViewTimeout, cancel).ConfigureAwait(false);
            if (runtime.Current.Find(host) is { } service)
            {
                return service;
            }
        }

        if (runtime.FollowsOnDemand && runtime.NameOf(host) is { } name)
        {
            await runtime.FollowAsync(name, cancel).ConfigureAwait(false);
            return runtime.Current.Find(host);
        }

        return null;
    }

    /// <param name="request">The request.</param>
    /// <param name="target">What an error calls it.</param>
    /// <param name="route">Its route, if it has one.</param>
    /// <param name="client">Whose own handler sends it.</param>
    /// <param name="start">When the request began.</param>
    /// <param name="deadline">When it must be over.</param>
    /// <param name="cancel">The caller's token.</param>
    public async Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage request, string target, Route? route, MeshHandler client, long start, long deadline, CancellationToken cancel)
    {
        if (deadline == Timestamps.Never)
        {
            return Track(await client.PassThrough.SendAsync(request, cancel).ConfigureAwait(false));
        }

        var now = time.GetTimestamp();
        if (deadline <= now)
        {
            throw Errors.TooLate(time, target, request, start, deadline, 0, null);
        }

        var timeout = timeouts.Rent(deadline, now, cancel);
        var response = default(HttpResponseMessage);
        try
        {
            return response = Track(await client.PassThrough.SendAsync(request, timeout.Token).ConfigureAwait(false));
        }
        catch (OperationCanceledException e) when (timeout.HasExpired && !cancel.IsCancellationRequested)
        {
            throw Errors.TooLate(time, target, request, start, deadline, 1, e);
        }
        catch (OperationCanceledException e) when (cancel.IsCancellationRequested)
        {
            throw new TaskCanceledException(e.Message, e, cancel);
        }
        finally
        {
            timeouts.Return(timeout, canBeReused: request.Content is null || response is null);
        }

        HttpResponseMessage Track(HttpResponseMessage response)
        {
            if (idleLimits.Of(route, request, response, target) is { } limit)
            {
                response.Content = new TrackedContent(response.Content, null, null, limit);
            }

            return response;
        }
    }
}
