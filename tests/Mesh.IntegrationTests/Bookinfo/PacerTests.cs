using Bookinfo.Launcher;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.IntegrationTests.Bookinfo;

public sealed class PacerTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Wait_WithoutInterval_IsDoneAtOnce()
    {
        var pacer = new Pacer(_time);

        Assert.All(Enumerable.Range(0, 100), _ => Assert.True(pacer.WaitAsync(CancellationToken.None).IsCompleted));
    }

    [Fact]
    public async Task Wait_WithInterval_IsDoneWhenItIsOver()
    {
        var pacer = new Pacer(_time) { Interval = TimeSpan.FromSeconds(10) };
        _time.Advance(TimeSpan.FromSeconds(1));
        await pacer.WaitAsync(CancellationToken.None);

        var second = pacer.WaitAsync(CancellationToken.None).AsTask();
        Assert.False(second.IsCompleted);

        await AdvanceUntilDoneAsync(second, limit: TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task Interval_LiftedWhileOneWaits_LetsItGo()
    {
        var pacer = new Pacer(_time) { Interval = TimeSpan.FromHours(1) };
        await pacer.WaitAsync(CancellationToken.None);
        var waiting = pacer.WaitAsync(CancellationToken.None).AsTask();

        pacer.Interval = TimeSpan.Zero;

        await AdvanceUntilDoneAsync(waiting, limit: TimeSpan.FromSeconds(1));
    }

    private async Task AdvanceUntilDoneAsync(Task task, TimeSpan limit)
    {
        var start = _time.GetTimestamp();
        while (!task.IsCompleted && _time.GetElapsedTime(start) < limit)
        {
            _time.Advance(TimeSpan.FromMilliseconds(25));
            await Task.Yield();
        }

        await task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
    }
}
