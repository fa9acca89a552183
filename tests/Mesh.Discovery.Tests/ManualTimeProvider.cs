namespace Mesh.Discovery.Tests;

/// <summary>
/// Time in which a loop that waits for one timer after another is driven step by step: a step fires the timer that is
/// waited for and ends when the loop waits for its next one, so that a test knows what has happened by then.
/// </summary>
internal sealed class ManualTimeProvider : TimeProvider
{
    private readonly SemaphoreSlim _created = new(0);
    private volatile ManualTimer? _timer;

    /// <summary>How long the loop wants to wait now.</summary>
    public TimeSpan Wait => _timer!.DueTime;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ManualTimer(callback, state, dueTime);
        _timer = timer;
        _created.Release();
        return timer;
    }

    /// <summary>Waits until the loop waits.</summary>
    public async Task StartedAsync() => Assert.True(await _created.WaitAsync(TimeSpan.FromSeconds(60)));

    public async Task StepAsync(int steps = 1)
    {
        for (var i = 0; i < steps; i++)
        {
            _timer!.Fire();
            await StartedAsync();
        }
    }

    private sealed class ManualTimer(TimerCallback callback, object? state, TimeSpan dueTime) : ITimer
    {
        public TimeSpan DueTime { get; } = dueTime;

        public void Fire() => callback(state);

        public bool Change(TimeSpan dueTime, TimeSpan period) => true;

        public void Dispose()
        {
        }

        public ValueTask DisposeAsync() => default;
    }
}
