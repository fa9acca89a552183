using System.Net;
using System.Net.Sockets;

namespace Mesh.Benchmarks.Simulation;

/// <summary>A request as an endpoint has it. Its continuations run where it is completed, on the one thread of the simulation.</summary>
internal sealed class SimulatedAttempt : TaskCompletionSource<HttpResponseMessage>
{
    private CancellationTokenRegistration _registration;

    public SimulatedAttempt(SimulatedEndpoint endpoint) => Endpoint = endpoint;

    public SimulatedEndpoint Endpoint { get; }

    /// <summary>How long the endpoint's pauses had been in all when its work was timed last.</summary>
    public TimeSpan PausesSeen { get; set; }

    /// <summary>Its place in the endpoint's queue.</summary>
    public LinkedListNode<SimulatedAttempt>? Place { get; set; }

    /// <summary>From now on the caller can give up.</summary>
    public void Watch(CancellationToken cancel) =>
        _registration = cancel.UnsafeRegister(static (state, token) => ((SimulatedAttempt)state!).Cancel(token), this);

    public void Answer(int status)
    {
        if (!Task.IsCompleted)
        {
            _registration.Dispose();
            TrySetResult(new HttpResponseMessage((HttpStatusCode)status));
        }
    }

    /// <summary>As <see cref="SocketsHttpHandler"/> tells that nobody listens there.</summary>
    public void Refuse() => Fail(new HttpRequestException(
        HttpRequestError.ConnectionError, "refused", new SocketException((int)SocketError.ConnectionRefused)));

    /// <summary>As it tells that the connection broke before the response.</summary>
    public void Reset() => Fail(new HttpRequestException(
        HttpRequestError.ResponseEnded, "reset", new HttpIOException(HttpRequestError.ResponseEnded)));

    private void Fail(Exception exception)
    {
        if (!Task.IsCompleted)
        {
            _registration.Dispose();
            TrySetException(exception);
        }
    }

    private void Cancel(CancellationToken token)
    {
        Endpoint.GivenUp(this);
        TrySetCanceled(token);
    }
}
