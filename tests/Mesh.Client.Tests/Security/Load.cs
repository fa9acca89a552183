using System.Collections.Concurrent;

namespace Mesh.Client.Tests.Security;

/// <summary>Callers that go on until they are stopped.</summary>
internal sealed class Load
{
    private const int Callers = 16;

    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentQueue<Exception> _failures = new();
    private readonly Task _running;
    private int _answered;

    public Load(TestMesh mesh, string version)
    {
        _running = Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => Task.Run(async () =>
        {
            while (!_stop.IsCancellationRequested)
            {
                try
                {
                    await mesh.GetAsync(version);
                    Interlocked.Increment(ref _answered);
                }
                catch (Exception e)
                {
                    _failures.Enqueue(e);
                }
            }
        })));
    }

    public int Answered => Volatile.Read(ref _answered);

    /// <summary>Waits for so many more answers.</summary>
    public async Task WaitForAsync(int more)
    {
        var wanted = Answered + more;
        while (Answered < wanted && _failures.IsEmpty)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(2), TimeProvider.System, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Ends all; what failed.</summary>
    public async Task<IReadOnlyCollection<Exception>> StopAsync()
    {
        await _stop.CancelAsync();
        await _running;
        return _failures;
    }
}
