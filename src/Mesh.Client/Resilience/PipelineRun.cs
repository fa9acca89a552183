using Mesh.Client.Pipeline;
using Polly;

namespace Mesh.Client.Resilience;

/// <summary>One request in a pipeline of the application, which may send it several times, even at the same time.</summary>
internal sealed class PipelineRun(
    string pipeline, HttpRequestMessage request, Func<HttpRequestMessage, CancellationToken, Task<HttpResponseMessage>> send)
{
    private readonly Lock _lock = new();
    private readonly List<Exception> _thrown = [];
    private int _sent;
    private int _active;

    public async ValueTask<Outcome<HttpResponseMessage>> SendAsync(ResilienceContext context)
    {
        try
        {
            Begin();
            try
            {
                return Outcome.FromResult(await send(RequestCopy.Create(request, request.RequestUri!), context.CancellationToken).ConfigureAwait(false));
            }
            finally
            {
                Interlocked.Decrement(ref _active);
            }
        }
        catch (Exception e)
        {
            lock (_lock)
            {
                _thrown.Add(e);
            }

            return Outcome.FromException<HttpResponseMessage>(e);
        }
    }

    /// <summary>Whether the exception is not the pipeline's own.</summary>
    public bool HasThrown(Exception error)
    {
        lock (_lock)
        {
            return _thrown.Contains(error);
        }
    }

    public PipelineRejectedException Refuse(string why, Exception? inner) =>
        new(pipeline, $"{request.Method} {request.RequestUri}: {why}", wasSent: Volatile.Read(ref _sent) > 0, inner);

    /// <exception cref="PipelineRejectedException">Its body cannot be sent once more.</exception>
    private void Begin()
    {
        lock (_lock)
        {
            var canSend = _sent == 0
                || (_active == 0 ? RetryDecision.CanReplay(request.Content, RetryGate.ReplayCap) : HedgeSender.CanSendTwice(request.Content));
            if (!canSend)
            {
                throw Refuse(
                    $"the resilience pipeline '{pipeline}' wants to send it again, but its body cannot be sent twice (not in memory, not seekable, "
                        + $"or over {RetryGate.ReplayCap} bytes)",
                    _thrown.Count > 0 ? _thrown[^1] : null);
            }

            _sent++;
            _active++;
        }
    }
}
