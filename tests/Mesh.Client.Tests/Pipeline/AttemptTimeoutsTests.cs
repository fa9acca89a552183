using Mesh.Client.Pipeline;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Client.Tests.Pipeline;

public sealed class AttemptTimeoutsTests
{
    private readonly CountingTime _time = new();

    [Fact]
    public void Rent_LimitPasses_CancelsWithinATick()
    {
        using var timeouts = new AttemptTimeouts(_time);
        var timeout = Rent(timeouts, TimeSpan.FromSeconds(1));

        _time.Advance(TimeSpan.FromSeconds(0.999));
        Assert.False(timeout.Token.IsCancellationRequested);
        _time.Advance(AttemptTimeouts.Tick);

        Assert.True(timeout.HasExpired);
        Assert.True(timeout.Token.IsCancellationRequested);
    }

    [Fact]
    public void Rent_ShortLimit_HasATimerOfItsOwn()
    {
        using var timeouts = new AttemptTimeouts(_time);
        var timeout = Rent(timeouts, TimeSpan.FromMilliseconds(3));

        _time.Advance(TimeSpan.FromMilliseconds(2));
        Assert.False(timeout.HasExpired);
        _time.Advance(TimeSpan.FromMilliseconds(1));

        Assert.True(timeout.HasExpired);
        Assert.True(timeout.Token.IsCancellationRequested);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Return_ShortLimit_StopsItsTimer(bool canBeReused)
    {
        using var timeouts = new AttemptTimeouts(_time);
        var before = _time.Timers;

        timeouts.Return(Rent(timeouts, TimeSpan.FromMilliseconds(3)), canBeReused);

        Assert.Equal(before, _time.Timers);
    }

    [Fact]
    public void Return_InTime_IsUsedAgainAndNeverCancelled()
    {
        using var timeouts = new AttemptTimeouts(_time);
        var first = Rent(timeouts, TimeSpan.FromSeconds(1));
        timeouts.Return(first, canBeReused: true);
        _time.Advance(TimeSpan.FromSeconds(0.5));

        var second = Rent(timeouts, TimeSpan.FromSeconds(1));
        Assert.Same(first, second);
        _time.Advance(TimeSpan.FromSeconds(0.75));
        Assert.False(second.Token.IsCancellationRequested);
        _time.Advance(TimeSpan.FromSeconds(0.3));
        Assert.True(second.Token.IsCancellationRequested);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Return_SpentOrHeld_IsNotUsedAgain(bool isExpired)
    {
        using var timeouts = new AttemptTimeouts(_time);
        var first = Rent(timeouts, TimeSpan.FromSeconds(1));
        if (isExpired)
        {
            _time.Advance(TimeSpan.FromSeconds(2));
        }

        timeouts.Return(first, canBeReused: isExpired);

        Assert.NotSame(first, Rent(timeouts, TimeSpan.FromSeconds(1)));
    }

    [Fact]
    public void Look_NothingUnderWay_SleepsAndWakesAgain()
    {
        using var timeouts = new AttemptTimeouts(_time);
        timeouts.Return(Rent(timeouts, TimeSpan.FromSeconds(1)), canBeReused: true);
        Assert.True(_time.IsPeriodic);

        _time.Advance(AttemptTimeouts.Tick);
        Assert.False(_time.IsPeriodic);

        var timeout = Rent(timeouts, TimeSpan.FromSeconds(1));
        Assert.True(_time.IsPeriodic);
        _time.Advance(TimeSpan.FromSeconds(1.1));
        Assert.True(timeout.HasExpired);
        Assert.False(_time.IsPeriodic);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(long.MaxValue)]
    public void Rent_NoLimit_NeverCancelsAndLetsTheTimerSleep(long ticks)
    {
        using var timeouts = new AttemptTimeouts(_time);

        // One that the common timer has watched before.
        timeouts.Return(Rent(timeouts, TimeSpan.FromSeconds(1)), canBeReused: true);
        var timeout = Rent(timeouts, ticks < 0 ? Timeout.InfiniteTimeSpan : TimeSpan.FromTicks(ticks));

        _time.Advance(TimeSpan.FromDays(100));

        Assert.False(timeout.Token.IsCancellationRequested);
        Assert.False(_time.IsPeriodic);
    }

    [Fact]
    public void Rent_TenThousandAtOnce_EachExpiresAtItsOwnTime()
    {
        using var timeouts = new AttemptTimeouts(_time);
        var all = Enumerable.Range(0, 10_000)
            .Select(n => Rent(timeouts, TimeSpan.FromSeconds(n % 2 == 0 ? 1 : 3))).ToArray();
        Assert.Equal(Enumerable.Range(0, 10_000), all.Select(static t => t.Slot));

        _time.Advance(TimeSpan.FromSeconds(1.1));
        Assert.All(all.Index(), static pair => Assert.Equal(pair.Index % 2 == 0, pair.Item.HasExpired));
        foreach (var timeout in all)
        {
            timeouts.Return(timeout, canBeReused: true);
        }

        // Half came back; the places of the others are given out again.
        var next = Enumerable.Range(0, 10_000).Select(_ => Rent(timeouts, TimeSpan.FromSeconds(1))).ToArray();
        Assert.Equal(Enumerable.Range(0, 10_000), next.Select(static t => t.Slot).Order());
        Assert.All(next, static t => Assert.False(t.Token.IsCancellationRequested));
    }

    [Fact]
    public async Task Return_WhileTheTimerLooks_NeverCancelsTheNextAttempt()
    {
        using var timeouts = new AttemptTimeouts(_time);
        var limit = TimeSpan.FromSeconds(1);
        var late = 0;
        using var stop = new CancellationTokenSource();
        var clock = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                _time.Advance(AttemptTimeouts.Tick * 7);
            }
        });

        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 20_000; i++)
            {
                // A fresh deadline, read after the timer may have expired the one before: it must start uncancelled.
                var now = _time.GetTimestamp();
                var timeout = timeouts.Rent(new Timestamps(_time).After(now, limit), now, CancellationToken.None);
                var isCancelled = timeout.Token.IsCancellationRequested;
                var age = _time.GetElapsedTime(now);
                if (isCancelled && age < limit)
                {
                    Interlocked.Increment(ref late);
                }

                timeouts.Return(timeout, canBeReused: true);
            }
        })));
        await stop.CancelAsync();
        await clock;

        Assert.Equal(0, late);
    }

    [Fact]
    public async Task Rent_WhileTheTimerFallsAsleep_IsAlwaysWatched()
    {
        using var timeouts = new AttemptTimeouts(_time);
        for (var i = 0; i < 2_000; i++)
        {
            // The timer is about to sleep; at the same time an attempt starts.
            timeouts.Return(Rent(timeouts, TimeSpan.FromSeconds(1)), canBeReused: true);
            using var gate = new Barrier(2);
            AttemptTimeout? timeout = null;
            var attempt = Task.Run(() =>
            {
                gate.SignalAndWait();
                timeout = Rent(timeouts, TimeSpan.FromSeconds(1));
            });
            gate.SignalAndWait();
            _time.Advance(AttemptTimeouts.Tick);
            await attempt;

            _time.Advance(TimeSpan.FromSeconds(1.2));
            Assert.True(timeout!.HasExpired);
            timeouts.Return(timeout, canBeReused: true);
        }
    }

    /// <summary>Knows its timers.</summary>
    private sealed class CountingTime : FakeTimeProvider
    {
        private int _timers;

        public int Timers => Volatile.Read(ref _timers);

        /// <summary>Whether the first timer goes.</summary>
        public bool IsPeriodic { get; private set; }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var isFirst = Interlocked.Increment(ref _timers) == 1;
            return new Timer(this, base.CreateTimer(callback, state, dueTime, period), isFirst);
        }

        private sealed class Timer(CountingTime owner, ITimer inner, bool isFirst) : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period)
            {
                if (isFirst)
                {
                    owner.IsPeriodic = period > TimeSpan.Zero;
                }

                return inner.Change(dueTime, period);
            }

            public void Dispose()
            {
                Interlocked.Decrement(ref owner._timers);
                inner.Dispose();
            }

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }
        }
    }

    private AttemptTimeout Rent(AttemptTimeouts timeouts, TimeSpan limit)
    {
        var now = _time.GetTimestamp();
        return timeouts.Rent(new Timestamps(_time).After(now, limit), now, CancellationToken.None);
    }
}
