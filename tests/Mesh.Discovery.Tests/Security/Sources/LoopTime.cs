using Microsoft.Extensions.Time.Testing;

namespace Mesh.Discovery.Tests.Security.Sources;

/// <summary>Time for one loop that looks and waits in turn: it passes in steps, each as long as the loop wants to wait.</summary>
internal sealed class LoopTime(DateTimeOffset start) : FakeTimeProvider(start)
{
    private readonly SemaphoreSlim _waits = new(0);
    private TimeSpan _due;

    /// <summary>Done when the loop waits.</summary>
    public async Task WaitsAsync() =>
        Assert.True(await _waits.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken), "the loop does not wait");

    /// <summary>Ends the wait of the loop; done when it waits again.</summary>
    public async Task StepAsync(int steps = 1)
    {
        for (var i = 0; i < steps; i++)
        {
            Advance(_due);
            await WaitsAsync();
        }
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = base.CreateTimer(callback, state, dueTime, period);
        _due = dueTime;
        _waits.Release();
        return timer;
    }
}
