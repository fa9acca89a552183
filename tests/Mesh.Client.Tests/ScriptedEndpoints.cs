using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using Mesh.Client.Transport;
using Mesh.Discovery;

namespace Mesh.Client.Tests;

/// <summary>Endpoints without a network: a test says what each attempt gets.</summary>
internal sealed class ScriptedEndpoints : IEndpointHandlerFactory
{
    private int _calls;

    /// <summary>The attempt's number from 0, and the attempt.</summary>
    public Func<int, Attempt, Task<HttpResponseMessage>> Answer { get; set; } = static (_, _) => Task.FromResult(Ok());

    public ConcurrentQueue<Attempt> Attempts { get; } = new();

    public ConcurrentQueue<string> Created { get; } = new();

    public ConcurrentQueue<string> Disposed { get; } = new();

    public HttpMessageHandler Create(Endpoint endpoint)
    {
        Created.Enqueue(endpoint.Address.Authority);
        return new Handler(this, endpoint);
    }

    public static HttpResponseMessage Ok(string body = "ok") => new(HttpStatusCode.OK) { Content = OnItsWay(body) };

    public static HttpResponseMessage Status(int status) => new((HttpStatusCode)status) { Content = OnItsWay($"status {status}") };

    /// <summary>As from a connection: a content that is in memory would be no body in flight.</summary>
    private static StreamContent OnItsWay(string body)
    {
        var bytes = Encoding.UTF8.GetBytes(body);
        return new StreamContent(new MemoryStream(bytes)) { Headers = { ContentLength = bytes.Length, ContentType = new MediaTypeHeaderValue("text/plain", "utf-8") } };
    }

    public static HttpRequestException ConnectFailure() =>
        new(HttpRequestError.ConnectionError, "refused", new SocketException((int)SocketError.ConnectionRefused));

    public static HttpRequestException Reset() =>
        new(HttpRequestError.ResponseEnded, "reset", new HttpIOException(HttpRequestError.ResponseEnded));

    /// <summary>What the callers of these get: the outcome for each attempt in turn, the last one again and again.</summary>
    public void Script(params Func<HttpResponseMessage>[] outcomes) =>
        Answer = (n, _) => Task.FromResult(outcomes[Math.Min(n, outcomes.Length - 1)]());

    /// <summary>One attempt.</summary>
    internal sealed record Attempt(Endpoint Endpoint, HttpRequestMessage Request, CancellationToken Cancel)
    {
        public string Address => Endpoint.Address.Authority;

        /// <summary>The headers as they were when it was sent.</summary>
        public string Headers { get; } = Request.Headers.ToString();

        public Uri Uri { get; } = Request.RequestUri!;

        public async Task<HttpResponseMessage> Hang()
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, Cancel);
            throw new InvalidOperationException();
        }
    }

    private sealed class Handler(ScriptedEndpoints owner, Endpoint endpoint) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var attempt = new Attempt(endpoint, request, cancellationToken);
            owner.Attempts.Enqueue(attempt);
            return owner.Answer(Interlocked.Increment(ref owner._calls) - 1, attempt);
        }

        protected override void Dispose(bool disposing)
        {
            owner.Disposed.Enqueue(endpoint.Address.Authority);
            base.Dispose(disposing);
        }
    }
}
