using System.Collections.Concurrent;

namespace Mesh.Client.Pipeline;

/// <summary>Token sources with a timer, used again and again: making one for each attempt would cost more than the attempt's policies.</summary>
internal sealed class TimeoutPool(TimeProvider time)
{
    private const int Capacity = 256;

    private readonly ConcurrentQueue<CancellationTokenSource> _idle = new();
    private CancellationTokenSource? _first;

    public CancellationTokenSource Rent(TimeSpan timeout)
    {
        var source = Interlocked.Exchange(ref _first, null);
        if (source is null && !_idle.TryDequeue(out source))
        {
            source = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        }

        source.CancelAfter(timeout);
        return source;
    }

    /// <summary>Takes back a source that nobody holds a token of any more.</summary>
    public void Return(CancellationTokenSource source)
    {
        if (!source.TryReset())
        {
            source.Dispose();
        }
        else if (Interlocked.CompareExchange(ref _first, source, null) is not null)
        {
            if (_idle.Count < Capacity)
            {
                _idle.Enqueue(source);
            }
            else
            {
                source.Dispose();
            }
        }
    }
}
