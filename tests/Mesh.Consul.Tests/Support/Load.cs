namespace Mesh.Consul.Tests.Support;

/// <summary>Calls without end from a few tasks, and counts.</summary>
internal sealed class Load : IAsyncDisposable
{
    private const int Callers = 4;

    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _answers = [];
    private readonly List<string> _failures = [];
    private readonly Task[] _callers;
    private int _count;

    public Load(CallingProcess process, string url) =>
        _callers = [.. Enumerable.Range(0, Callers).Select(_ => Task.Run(() => CallAsync(process, url)))];

    public int Count => Volatile.Read(ref _count);

    public string[] Failures
    {
        get
        {
            lock (_lock)
            {
                return [.. _failures];
            }
        }
    }

    /// <summary>Waits until so many more calls have been answered.</summary>
    public async Task GoOnAsync(int calls = 200)
    {
        var wanted = Count + calls;
        await Wait.UntilAsync(() => Count >= wanted, () => $"{Count} calls, failures: {string.Join('\n', Failures)}");
    }

    /// <summary>The answers since the last time that this was asked.</summary>
    public IReadOnlyDictionary<string, int> TakeAnswers()
    {
        lock (_lock)
        {
            var answers = new Dictionary<string, int>(_answers);
            _answers.Clear();
            return answers;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_callers);
        _stop.Dispose();
    }

    private async Task CallAsync(CallingProcess process, string url)
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var answer = await process.Http.GetStringAsync(url, CancellationToken.None);
                lock (_lock)
                {
                    _answers[answer] = _answers.GetValueOrDefault(answer) + 1;
                }
            }
            catch (HttpRequestException e)
            {
                lock (_lock)
                {
                    _failures.Add($"after {Count} calls: {e}");
                }
            }

            Interlocked.Increment(ref _count);
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, CancellationToken.None);
        }
    }
}
