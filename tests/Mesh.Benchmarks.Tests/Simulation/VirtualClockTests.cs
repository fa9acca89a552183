using Mesh.Benchmarks.Simulation;

namespace Mesh.Benchmarks.Tests.Simulation;

public sealed class VirtualClockTests
{
    private readonly VirtualClock _clock = new();
    private readonly List<string> _fired = [];

    [Fact]
    public void RunUntil_SeveralDue_FiresInOrderOfTimeThenOfAsking()
    {
        Schedule(20, "c");
        Schedule(10, "a");
        Schedule(10, "b");
        Schedule(31, "never");

        _clock.RunUntil(Ms(30));

        Assert.Equal(["a 10", "b 10", "c 20"], _fired);
        Assert.Equal(Ms(30), _clock.Now);
    }

    [Fact]
    public void CreateTimer_Periodic_FiresUntilChangedOrDisposed()
    {
        var timer = _clock.CreateTimer(_ => Note("tick"), null, Ms(10), Ms(5));

        _clock.RunUntil(Ms(22));
        timer.Change(Ms(1), Timeout.InfiniteTimeSpan);
        _clock.RunUntil(Ms(40));
        timer.Change(Ms(1), Ms(1));
        timer.Dispose();
        _clock.RunUntil(Ms(50));

        Assert.Equal(["tick 10", "tick 15", "tick 20", "tick 23"], _fired);
    }

    [Fact]
    public void Delay_OnTheClock_ContinuesInline()
    {
        _ = DelayAsync();

        _clock.RunUntil(Ms(100));

        Assert.Equal(["first 25", "second 50"], _fired);

        async Task DelayAsync()
        {
            await Task.Delay(Ms(25), _clock).ConfigureAwait(false);
            Note("first");
            await Task.Delay(Ms(25), _clock).ConfigureAwait(false);
            Note("second");
        }
    }

    [Fact]
    public void Schedule_FromAnotherThreadWhileRunning_IsTurnedAway()
    {
        Exception? refusal = null;
        _clock.Schedule(Ms(1), _ =>
        {
            var other = new Thread(() => refusal = Record.Exception(() => Schedule(1, "elsewhere")));
            other.Start();
            other.Join();
        });

        _clock.RunUntil(Ms(10));

        Assert.IsType<InvalidOperationException>(refusal);
        Assert.Empty(_fired);
    }

    private static TimeSpan Ms(int ms) => TimeSpan.FromMilliseconds(ms);

    private void Schedule(int ms, string what) => _clock.Schedule(Ms(ms), _ => Note(what));

    private void Note(string what) => _fired.Add($"{what} {_clock.Now.TotalMilliseconds}");
}
