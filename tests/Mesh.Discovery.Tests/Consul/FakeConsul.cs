using System.Net;
using System.Text;
using System.Threading.Channels;

namespace Mesh.Discovery.Tests.Consul;

/// <summary>An agent in the hands of the test: each request waits until the test answers it.</summary>
internal sealed class FakeConsul : HttpMessageHandler
{
    private readonly Channel<Call> _calls = Channel.CreateUnbounded<Call>();

    /// <summary>The next request.</summary>
    public async Task<Call> NextAsync() => await _calls.Reader.ReadAsync(TestContext.Current.CancellationToken)
        .AsTask().WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);

    /// <summary>The next request, which must be this one.</summary>
    public async Task<Call> NextAsync(string start)
    {
        var call = await NextAsync();
        Assert.StartsWith(start, call.Line, StringComparison.Ordinal);
        return call;
    }

    public bool IsQuiet => !_calls.Reader.TryPeek(out _);

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var body = request.Content is null ? "" : await request.Content.ReadAsStringAsync(cancellationToken);
        var call = new Call(
            $"{request.Method} {request.RequestUri!.PathAndQuery}",
            body,
            request.Headers.TryGetValues("X-Consul-Token", out var token) ? token.Single() : null);
        _calls.Writer.TryWrite(call);
        return await call.Answer.Task.WaitAsync(cancellationToken);
    }

    internal sealed record Call(string Line, string Body, string? Token)
    {
        public TaskCompletionSource<HttpResponseMessage> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Ok(string body = "", ulong index = 0)
        {
            var message = new HttpResponseMessage(HttpStatusCode.OK) { Content = new StringContent(body, Encoding.UTF8) };
            message.Headers.Add("X-Consul-Index", $"{index}");
            Answer.SetResult(message);
        }

        public void Refuse(int status, string body) =>
            Answer.SetResult(new HttpResponseMessage((HttpStatusCode)status) { Content = new StringContent(body) });

        public void Break() => Answer.SetException(new HttpRequestException("Connection refused"));
    }
}
