using Mesh.Benchmarks.Simulation;

namespace Mesh.Benchmarks.Tests.Simulation;

/// <summary>What scenarios rely on. Each request takes 10 ms here.</summary>
public sealed class SimulatedEndpointTests
{
    private readonly VirtualClock _clock = new();
    private readonly List<string> _ends = [];

    [Fact]
    public void SendAsync_MoreThanServedAtOnce_WaitOrAreTurnedAway()
    {
        var endpoint = Create(concurrency: 1, queue: 1);

        _ = SendAsync(endpoint, "served");
        _ = SendAsync(endpoint, "waits");
        _ = SendAsync(endpoint, "too many");
        _clock.RunUntil(Ms(100));

        Assert.Equal(["too many 503 at 1", "served 200 at 10", "waits 200 at 20"], _ends);
    }

    [Fact]
    public void SendAsync_CallerGivesUpWaiting_LeavesTheQueue()
    {
        using var cancel = new CancellationTokenSource();
        var endpoint = Create(concurrency: 1, queue: 1);

        _ = SendAsync(endpoint, "served");
        _ = SendAsync(endpoint, "gives up", cancel.Token);
        cancel.Cancel();
        _ = SendAsync(endpoint, "takes its place");
        _clock.RunUntil(Ms(100));

        Assert.Equal(["gives up TaskCanceledException at 0", "served 200 at 10", "takes its place 200 at 20"], _ends);
    }

    [Fact]
    public void Pause_WhileServing_DelaysByTheTimeInCommon()
    {
        var endpoint = Create();

        _ = SendAsync(endpoint, "before");
        _clock.RunUntil(Ms(5));
        endpoint.Pause(Ms(200));
        _clock.RunUntil(Ms(50));
        _ = SendAsync(endpoint, "during");
        _clock.RunUntil(Ms(300));
        _ = SendAsync(endpoint, "after");
        _clock.RunUntil(Ms(400));

        Assert.Equal(["before 200 at 210", "during 200 at 215", "after 200 at 310"], _ends);
    }

    [Fact]
    public void Stop_WithRequests_ResetsThemAndRefusesOthers()
    {
        var endpoint = Create(concurrency: 1);

        _ = SendAsync(endpoint, "served");
        _ = SendAsync(endpoint, "waits");
        endpoint.Stop();
        _ = SendAsync(endpoint, "refused");
        _clock.RunUntil(Ms(20));
        endpoint.Recover();
        _ = SendAsync(endpoint, "again");
        _clock.RunUntil(Ms(100));

        Assert.Equal(
            ["served ResponseEnded at 0", "waits ResponseEnded at 0", "refused ConnectionError at 1", "again 200 at 30"], _ends);
        Assert.Equal((4, 1), (endpoint.Attempts, endpoint.Refused));
    }

    [Fact]
    public void FallSilent_WithRequests_AnswersNothingUntilCallersGiveUp()
    {
        using var cancel = new CancellationTokenSource();
        var endpoint = Create();

        _ = SendAsync(endpoint, "before", cancel.Token);
        endpoint.FallSilent();
        _ = SendAsync(endpoint, "after", cancel.Token);
        _clock.RunUntil(Ms(100));
        Assert.Empty(_ends);
        cancel.Cancel();

        Assert.Equal(["after TaskCanceledException at 100", "before TaskCanceledException at 100"], _ends);
    }

    [Fact]
    public void FailsWith_IsSet_AnswersAtOnceWithThat()
    {
        var endpoint = Create();
        endpoint.FailsWith = 500;

        _ = SendAsync(endpoint, "request");
        _clock.RunUntil(Ms(100));

        Assert.Equal(["request 500 at 1"], _ends);
    }

    private static TimeSpan Ms(int ms) => TimeSpan.FromMilliseconds(ms);

    private SimulatedEndpoint Create(int concurrency = int.MaxValue, int queue = int.MaxValue) => new(
        new Uri("http://10.0.0.1:8080"),
        "eu-1",
        new EndpointModel { Floor = Ms(10), Tail = TimeSpan.Zero, Concurrency = concurrency, Queue = queue },
        _clock,
        new SeededRandom(1));

    private async Task SendAsync(SimulatedEndpoint endpoint, string what, CancellationToken cancel = default)
    {
        string end;
        try
        {
            using var response = await endpoint.SendAsync(cancel).ConfigureAwait(false);
            end = $"{(int)response.StatusCode}";
        }
        catch (HttpRequestException e)
        {
            end = $"{e.HttpRequestError}";
        }
        catch (OperationCanceledException e)
        {
            end = e.GetType().Name;
        }

        _ends.Add($"{what} {end} at {_clock.Now.TotalMilliseconds}");
    }
}
