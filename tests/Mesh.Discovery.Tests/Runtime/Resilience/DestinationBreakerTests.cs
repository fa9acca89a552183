using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime.Resilience;

namespace Mesh.Discovery.Tests.Runtime.Resilience;

public class DestinationBreakerTests
{
    [Fact]
    public void TryEnter_LimitIsReached_IsRefusedAndCountsNothing()
    {
        var breaker = new DestinationBreaker(new ConnectionPoolConfig { MaxRequests = 2 });

        Assert.Null(breaker.TryEnter(1, true));
        Assert.Null(breaker.TryEnter(1, true));
        Assert.Equal(("MaxRequests", 2), breaker.TryEnter(1, true));
        Assert.Equal((2, 1), (breaker.InFlight, breaker.Refused));

        breaker.Leave();
        Assert.Null(breaker.TryEnter(1, true));
    }

    [Fact]
    public void TryEnter_AdaptiveLimitInShadow_CountsApartFromWhatIsRefused()
    {
        var settings = new AdaptiveConcurrencyConfig { Mode = AdaptiveConcurrencyMode.Shadow, MinLimit = 1, MaxLimit = 1 };
        var breaker = new DestinationBreaker(new ConnectionPoolConfig())
        {
            Adaptive = new AdaptiveLimit(settings, TimeProvider.System, SystemRandomSource.Instance),
        };

        Assert.Null(breaker.TryEnter(1, true));
        Assert.Null(breaker.TryEnter(1, true));
        Assert.Equal((2, 0, 1), (breaker.InFlight, breaker.Refused, breaker.OverLimit));

        breaker.Adaptive.Settings = settings with { Mode = AdaptiveConcurrencyMode.Enforce };
        Assert.Equal(("AdaptiveConcurrency", 1), breaker.TryEnter(1, true));
        Assert.Equal((2, 1, 1), (breaker.InFlight, breaker.Refused, breaker.OverLimit));
    }

    [Fact]
    public void Answered_CountsForTheFixedLimitsOnly()
    {
        var breaker = new DestinationBreaker(new ConnectionPoolConfig { MaxRequests = 2 })
        {
            Adaptive = new AdaptiveLimit(
                new AdaptiveConcurrencyConfig { MinLimit = 1, MaxLimit = 1 }, TimeProvider.System, SystemRandomSource.Instance),
        };

        Assert.Null(breaker.TryEnter(1, true));
        Assert.Equal("AdaptiveConcurrency", breaker.TryEnter(1, true)?.Name);
        breaker.Answered();
        Assert.Null(breaker.TryEnter(1, true));
        breaker.Answered();
        Assert.Equal("MaxRequests", breaker.TryEnter(1, true)?.Name);
        breaker.LeaveAnswered();
        breaker.LeaveAnswered();
        Assert.Equal((0, 0), (breaker.InFlight, breaker.Unanswered));
    }

    [Fact]
    public void TryEnter_Pending_IsWhatHasNoConnectionAtAnyEndpoint()
    {
        var breaker = new DestinationBreaker(new ConnectionPoolConfig { MaxConnections = 2, MaxPendingRequests = 1 });
        for (var i = 0; i < 5; i++)
        {
            Assert.Null(breaker.TryEnter(2, true));
        }

        Assert.Equal(("MaxPendingRequests", 1), breaker.TryEnter(2, true));
        Assert.Null(breaker.TryEnter(2, isHttp1: false));
    }

    [Fact]
    public void TryEnter_ManyThreads_NeverMoreThanTheLimit()
    {
        var breaker = new DestinationBreaker(new ConnectionPoolConfig { MaxRequests = 3 });
        int inside = 0, most = 0;

        Parallel.For(0, 20_000, _ =>
        {
            if (breaker.TryEnter(1, true) is null)
            {
                var now = Interlocked.Increment(ref inside);
                InterlockedMax(ref most, now);
                Interlocked.Decrement(ref inside);
                breaker.Leave();
            }
        });

        Assert.InRange(most, 1, 3);
        Assert.Equal(0, breaker.InFlight);
    }

    [Fact]
    public void SetPolicy_LimitsChange_CountSurvives()
    {
        var mesh = new ResilienceFixture().With(1, 2);
        mesh.Use(null, new ConnectionPoolConfig { MaxRequests = 5 });
        Assert.Null(mesh.View.Breaker!.TryEnter(2, true));

        mesh.Use(null);
        Assert.Null(mesh.View.Breaker);
        mesh.Use(null, new ConnectionPoolConfig { MaxRequests = 1 });

        Assert.Equal(1, mesh.View.Breaker!.InFlight);
        Assert.NotNull(mesh.View.Breaker.TryEnter(2, true));
    }

    [Fact]
    public void SetPolicy_ConnectionsChange_EndpointsMakeNewOnes()
    {
        var mesh = new ResilienceFixture().With(1);
        var transport = new MemoryStream();
        mesh.At(1).Transport = transport;

        mesh.Use(null, new ConnectionPoolConfig { MaxRequests = 5 });
        Assert.Same(transport, mesh.At(1).Transport);
        mesh.Use(null, new ConnectionPoolConfig { MaxConnections = 5 });

        Assert.Null(mesh.At(1).Transport);
        Assert.True(transport.CanRead);
        mesh.With(1, 2);
        Assert.Equal(5, mesh.At(2).Connections!.MaxConnections);
    }

    private static void InterlockedMax(ref int most, int value)
    {
        for (var seen = Volatile.Read(ref most); value > seen; seen = Volatile.Read(ref most))
        {
            Interlocked.CompareExchange(ref most, value, seen);
        }
    }
}
