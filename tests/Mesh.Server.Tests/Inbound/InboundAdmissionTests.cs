using System.Diagnostics.Metrics;
using Mesh.Client;
using Mesh.Discovery;
using Mesh.Server.Inbound;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Server.Tests.Inbound;

public sealed class InboundAdmissionTests
{
    private static readonly int s_critical = AdmissionClass.Of(RequestPriority.Critical, isRetry: false);
    private static readonly int s_default = AdmissionClass.Of(RequestPriority.Default, isRetry: false);
    private static readonly int s_defaultRetry = AdmissionClass.Of(RequestPriority.Default, isRetry: true);
    private static readonly int s_sheddable = AdmissionClass.Of(RequestPriority.Sheddable, isRetry: false);

    private readonly FakeTimeProvider _time = new();
    private readonly FakeLogger<InboundAdmission> _logger = new();

    [Theory]
    [InlineData(RequestPriority.Critical, false, 10)]
    [InlineData(RequestPriority.Critical, true, 9)]
    [InlineData(RequestPriority.Default, false, 9)]
    [InlineData(RequestPriority.Default, true, 8)]
    [InlineData(RequestPriority.Sheddable, false, 7)]
    [InlineData(RequestPriority.Sheddable, true, 6)]
    public void TryEnter_EachClass_FillsItsShare(RequestPriority priority, bool isRetry, int expected)
    {
        using var admission = Create(10);

        var entered = 0;
        while (admission.TryEnter(AdmissionClass.Of(priority, isRetry)))
        {
            entered++;
        }

        Assert.Equal(expected, entered);
        Assert.Equal(expected, admission.InFlight);
    }

    [Fact]
    public void TryEnter_LimitOfOne_LetsEveryClassInAlone()
    {
        using var admission = Create(1);

        Assert.True(admission.TryEnter(s_sheddable));
        Assert.False(admission.TryEnter(s_critical));
    }

    [Fact]
    public void TryEnter_Shadow_RefusesNobodyAndCounts()
    {
        using var admission = Create(1, static o => o.Mode = AdaptiveConcurrencyMode.Shadow);

        Assert.True(admission.TryEnter(s_default));
        Assert.True(admission.TryEnter(s_default));

        Assert.Equal(1, admission.OverLimit);
    }

    [Fact]
    public async Task Leave_SomebodyWaits_GetsThePlace()
    {
        using var admission = Create(1);
        Assert.True(admission.TryEnter(s_default));
        var waiting = Wait(admission, s_default);
        Assert.False(waiting.IsCompleted);

        admission.Leave();

        Assert.True(await waiting);
        Assert.Equal((1, 0), (admission.InFlight, admission.Waiting));
    }

    [Fact]
    public async Task Leave_SeveralWait_HighestClassThenOldestFirst()
    {
        using var admission = Create(4);
        Fill(admission, 4);
        var sheddable = Wait(admission, s_sheddable);
        var retry = Wait(admission, s_defaultRetry);
        var first = Wait(admission, s_default);
        var critical = Wait(admission, s_critical);

        admission.Leave();
        Assert.True(await critical);
        Assert.False(first.IsCompleted);

        // Default may fill three of four places.
        admission.Leave();
        Assert.False(first.IsCompleted);
        admission.Leave();
        Assert.True(await first);
        Assert.False(retry.IsCompleted);
        Assert.False(sheddable.IsCompleted);
    }

    [Fact]
    public async Task Wait_OnlyLowerOnesWait_AHigherOnePassesThem()
    {
        using var admission = Create(10);
        Fill(admission, 7);
        var sheddable = Wait(admission, s_sheddable);
        Assert.False(sheddable.IsCompleted);

        Assert.True(admission.TryEnter(s_default));

        admission.Leave();
        Assert.False(sheddable.IsCompleted);
        admission.Leave();
        Assert.True(await sheddable);
    }

    [Fact]
    public async Task Wait_TooLong_IsRefused()
    {
        using var admission = Create(1);
        Fill(admission, 1);
        var waiting = Wait(admission, s_default);
        _time.Advance(TimeSpan.FromMilliseconds(95));
        Assert.False(waiting.IsCompleted);

        _time.Advance(TimeSpan.FromMilliseconds(10));

        Assert.False(await waiting);
        Assert.Equal((1, 0), (admission.InFlight, admission.Waiting));
        Assert.StartsWith("Overload: requests over the limit of 1", Assert.Single(_logger.Collector.GetSnapshot()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Wait_InAStandingQueue_IsShort()
    {
        using var admission = Create(2);
        Fill(admission, 2);
        var first = Wait(admission, s_critical);
        _time.Advance(TimeSpan.FromMilliseconds(80));
        var second = Wait(admission, s_critical);
        _time.Advance(TimeSpan.FromMilliseconds(25));

        Assert.False(await first);
        Assert.False(await second);
    }

    [Fact]
    public async Task Wait_InAStandingQueueOfLowerOnes_IsAsLongAsEver()
    {
        using var admission = Create(4);
        Fill(admission, 4);
        _ = Wait(admission, s_sheddable);
        _time.Advance(TimeSpan.FromMilliseconds(80));
        var sheddable = Wait(admission, s_sheddable);
        var critical = Wait(admission, s_critical);
        _time.Advance(TimeSpan.FromMilliseconds(25));

        Assert.False(await sheddable);
        Assert.False(critical.IsCompleted);
        admission.Leave();
        Assert.True(await critical);
    }

    [Fact]
    public async Task Wait_DeadlineComesFirst_IsRefusedThen()
    {
        using var admission = Create(1);
        Fill(admission, 1);
        var waiting = Wait(admission, s_default, TimeSpan.FromMilliseconds(20));

        _time.Advance(TimeSpan.FromMilliseconds(25));

        Assert.False(await waiting);
    }

    [Fact]
    public async Task Wait_CallerLeaves_LeavesTheList()
    {
        using var admission = Create(1);
        Fill(admission, 1);
        using var leaves = new CancellationTokenSource();
        var waiting = admission.WaitAsync(s_default, null, leaves.Token).AsTask();

        leaves.Cancel();

        Assert.False(await waiting);
        Assert.Equal((1, 0), (admission.InFlight, admission.Waiting));
        Assert.Empty(_logger.Collector.GetSnapshot());
    }

    [Fact]
    public async Task Wait_ListIsFull_TheLowestGivesWay()
    {
        using var admission = Create(2);
        Fill(admission, 2);
        var sheddable = Wait(admission, s_sheddable);
        var first = Wait(admission, s_default);

        Assert.False(await Wait(admission, s_sheddable));
        var critical = Wait(admission, s_critical);

        Assert.False(await sheddable);
        Assert.False(first.IsCompleted);
        admission.Leave();
        Assert.True(await critical);
    }

    [Fact]
    public async Task Wait_MaxWaitOfZero_IsRefusedAtOnce()
    {
        using var admission = Create(1, static o => o.MaxWait = TimeSpan.Zero);
        Fill(admission, 1);

        Assert.False(await Wait(admission, s_critical));
    }

    [Fact]
    public async Task EnterAndLeave_ByManyThreads_NeverExceedTheLimitAndLoseNobody()
    {
        using var admission = Create(4, static o => o.MaxWait = TimeSpan.FromMinutes(1));
        var highest = 0;
        var served = 0;

        await Task.WhenAll(Enumerable.Range(0, 12).Select(worker => Task.Run(async () =>
        {
            for (var i = 0; i < 2000; i++)
            {
                if (admission.TryEnter(s_critical) || await admission.WaitAsync(s_critical, null, default))
                {
                    Interlocked.Increment(ref served);
                    highest = Math.Max(highest, admission.InFlight);
                    if (i % 16 == worker)
                    {
                        await Task.Yield();
                    }

                    admission.Leave();
                }
            }
        })));

        Assert.InRange(highest, 1, 4);
        Assert.Equal((0, 0), (admission.InFlight, admission.Waiting));

        // Twelve at a time: four are served, four wait, four are refused.
        Assert.InRange(served, 2000, 24_000);
    }

    private static void Fill(InboundAdmission admission, int count)
    {
        for (var i = 0; i < count; i++)
        {
            Assert.True(admission.TryEnter(s_critical));
        }
    }

    private static Task<bool> Wait(InboundAdmission admission, int admissionClass, TimeSpan? left = null) =>
        admission.WaitAsync(admissionClass, left, TestContext.Current.CancellationToken).AsTask();

    private InboundAdmission Create(int limit, Action<InboundConcurrencyOptions>? configure = null)
    {
        var options = new MeshOptions();
        options.Inbound.Concurrency.Mode = AdaptiveConcurrencyMode.Enforce;
        options.Inbound.Concurrency.MinLimit = limit;
        options.Inbound.Concurrency.MaxLimit = limit;
        configure?.Invoke(options.Inbound.Concurrency);
        var meters = new ServiceCollection().AddMetrics().BuildServiceProvider().GetRequiredService<IMeterFactory>();
        return new InboundAdmission(options, _time, SystemRandomSource.Instance, new MeshServerTelemetry(meters), _logger);
    }
}
