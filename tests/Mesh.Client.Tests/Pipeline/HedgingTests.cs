using Mesh.Client.Pipeline;
using Mesh.Discovery.Runtime;

namespace Mesh.Client.Tests.Pipeline;

public sealed class HedgingTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Send_FirstTakesLong_SecondElsewhereWinsAndTheFirstIsCancelled()
    {
        await using var mesh = await StartAsync(""" "Delay": "50ms", "MaxExtraPercent": 100 """);
        var isCancelled = false;
        mesh.Endpoints.Answer = async (n, attempt) =>
        {
            if (n > 0)
            {
                return ScriptedEndpoints.Ok("second");
            }

            try
            {
                return await attempt.Hang();
            }
            finally
            {
                isCancelled = attempt.Cancel.IsCancellationRequested;
            }
        };

        using var response = await mesh.Get();

        Assert.Equal("second", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref isCancelled), s_patience));
        Assert.Equal(2, mesh.Endpoints.Attempts.Select(static a => a.Address).Distinct().Count());
        Assert.Contains("x-mesh-attempt: 2", mesh.Endpoints.Attempts.Last().Headers);
        Assert.DoesNotContain("x-mesh-attempt", mesh.Endpoints.Attempts.First().Headers);
        AllEnd(mesh);
        Assert.Equal(0, Destination(mesh).Retries.Active);
        Assert.Equal(1, Destination(mesh).Hedges.Sent);
    }

    [Fact]
    public async Task Send_HedgeIsToldWhatIsLeft()
    {
        await using var mesh = await StartAsync(""" "Delay": "400ms", "MaxExtraPercent": 100 """);
        mesh.Endpoints.Answer = static (n, attempt) => n == 0 ? attempt.Hang() : Task.FromResult(ScriptedEndpoints.Ok());

        using var response = await mesh.Get();

        Assert.Equal("10000", mesh.Endpoints.Attempts.First().Request.Headers.GetValues(DeadlineHeaders.ExpectedTimeout).Single());
        Assert.InRange(int.Parse(mesh.Endpoints.Attempts.Last().Request.Headers.GetValues(DeadlineHeaders.ExpectedTimeout).Single()), 9000, 9600);
    }

    [Fact]
    public async Task Send_FirstAnswersInTime_IsNotHedged()
    {
        await using var mesh = await StartAsync(""" "Delay": "50ms", "MaxExtraPercent": 100 """);

        using var response = await mesh.Get();

        Assert.Single(mesh.Endpoints.Attempts);
    }

    [Theory]
    [InlineData("POST", "", 1)]
    [InlineData("PUT", "", 2)]
    [InlineData("POST", """, "AnyMethod": true """, 2)]
    public async Task Send_Method_IsHedgedOnlyIfItMayBeSentTwice(string method, string more, int attempts)
    {
        await using var mesh = await StartAsync($$""" "Delay": "50ms", "MaxExtraPercent": 100 {{more}} """);
        mesh.Endpoints.Answer = (n, attempt) => n == 0 ? Late(attempt) : Task.FromResult(ScriptedEndpoints.Ok());
        var request = new HttpRequestMessage(new HttpMethod(method), "http://reviews/") { Content = new StringContent("body") };

        using var response = await mesh.Finish(mesh.Http.SendAsync(request));

        Assert.Equal(attempts, mesh.Endpoints.Attempts.Count);
        AllEnd(mesh);

        async Task<HttpResponseMessage> Late(ScriptedEndpoints.Attempt attempt)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(200), mesh.Time, attempt.Cancel);
            return ScriptedEndpoints.Ok();
        }
    }

    [Fact]
    public async Task Send_BodyOfAStream_IsNotHedged()
    {
        await using var mesh = await StartAsync(""" "Delay": "50ms", "MaxExtraPercent": 100 """);
        mesh.Endpoints.Answer = static (_, attempt) => attempt.Hang();
        var put = mesh.Http.PutAsync("http://reviews/", new StreamContent(new MemoryStream([1])), TestContext.Current.CancellationToken);

        await Assert.ThrowsAnyAsync<Exception>(() => mesh.Finish(put, 500));

        Assert.DoesNotContain(mesh.Endpoints.Attempts.Take(1), static a => a.Headers.Contains("x-mesh-attempt"));
        Assert.Equal(0, Destination(mesh).KnownHedges?.Sent ?? 0);
        AllEnd(mesh);
    }

    [Fact]
    public async Task Send_AllAreSlow_HedgesStayBelowTheCap()
    {
        await using var mesh = await StartAsync(""" "Delay": "20ms", "MaxExtraPercent": 10 """);
        mesh.Endpoints.Answer = async (_, attempt) =>
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), mesh.Time, attempt.Cancel);
            return ScriptedEndpoints.Ok();
        };

        for (var i = 0; i < 100; i++)
        {
            using var response = await mesh.Get();
        }

        Assert.Equal(110, mesh.Endpoints.Attempts.Count);
        AllEnd(mesh);
    }

    [Fact]
    public async Task Send_NoRetryBudget_IsNotHedged()
    {
        await using var mesh = await StartAsync(
            """ "Delay": "20ms", "MaxExtraPercent": 100 """,
            """, "Destinations": { "reviews": { "RetryBudget": { "Percent": 0, "MinRetriesPerSecond": 0 } } } """);
        mesh.Endpoints.Answer = async (_, attempt) =>
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), mesh.Time, attempt.Cancel);
            return ScriptedEndpoints.Ok();
        };

        using var response = await mesh.Get();

        Assert.Single(mesh.Endpoints.Attempts);
        Assert.Equal(1, Destination(mesh).Retries.Refused);
    }

    [Fact]
    public async Task Send_HedgeFails_TheFirstIsWaitedFor()
    {
        await using var mesh = await StartAsync(""" "Delay": "20ms", "MaxExtraPercent": 100 """);
        mesh.Endpoints.Answer = async (n, attempt) =>
        {
            await Task.Delay(TimeSpan.FromMilliseconds(n == 0 ? 200 : 10), mesh.Time, attempt.Cancel);
            return n == 0 ? ScriptedEndpoints.Ok("first") : ScriptedEndpoints.Status(503);
        };

        using var response = await mesh.Get();

        Assert.Equal("first", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal(2, mesh.Endpoints.Attempts.Count);
        AllEnd(mesh);
    }

    [Fact]
    public async Task Send_AllRacersFail_TheLastFailureIsRetriedElsewhere()
    {
        await using var mesh = await StartAsync(""" "Delay": "20ms", "MaxExtraPercent": 100 """);
        mesh.Endpoints.Answer = async (n, attempt) =>
        {
            await Task.Delay(TimeSpan.FromMilliseconds(n < 2 ? 100 : 1), mesh.Time, attempt.Cancel);
            return n < 2 ? ScriptedEndpoints.Status(503) : ScriptedEndpoints.Ok("third");
        };

        using var response = await mesh.Get();

        Assert.Equal("third", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        AllEnd(mesh);
        Assert.Equal(0, Destination(mesh).Retries.Active);
    }

    [Theory]
    [InlineData(503, "overload")]
    [InlineData(429, null)]
    [InlineData(500, null)]
    public async Task Send_HedgeIsRefused_TheFirstIsWaitedFor(int status, string? noRetry)
    {
        await using var mesh = await StartAsync(""" "Delay": "20ms", "MaxExtraPercent": 100 """);
        mesh.Endpoints.Answer = async (n, attempt) =>
        {
            await Task.Delay(TimeSpan.FromMilliseconds(n == 0 ? 200 : 1), mesh.Time, attempt.Cancel);
            var response = n == 0 ? ScriptedEndpoints.Ok("first") : ScriptedEndpoints.Status(status);
            if (n > 0 && noRetry is not null)
            {
                response.Headers.Add(Retry.NoRetryHeader, noRetry);
            }

            return response;
        };

        using var response = await mesh.Get();

        Assert.Equal("first", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        AllEnd(mesh);
    }

    [Fact]
    public async Task Send_AllRacersFail_TheRetryAvoidsThemAll()
    {
        await using var mesh = await StartAsync(""" "Delay": "20ms", "MaxExtraPercent": 100 """);
        mesh.Endpoints.Answer = async (n, attempt) =>
        {
            await Task.Delay(TimeSpan.FromMilliseconds(n < 2 ? 100 : 1), mesh.Time, attempt.Cancel);
            return n < 2 ? ScriptedEndpoints.Status(503) : ScriptedEndpoints.Ok();
        };

        using var response = await mesh.Get();

        Assert.Equal(3, mesh.Endpoints.Attempts.Select(static a => a.Address).Distinct().Count());
        AllEnd(mesh);
    }

    [Fact]
    public async Task Send_NoRetryBudget_TheHedgeIsGivenBackAndNobodyIsToldOfAnOutage()
    {
        await using var mesh = await StartAsync(
            """ "Delay": "20ms", "MaxExtraPercent": 100 """,
            """, "Destinations": { "reviews": { "RetryBudget": { "Percent": 0, "MinRetriesPerSecond": 0 } } } """);
        mesh.Endpoints.Answer = async (_, attempt) =>
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), mesh.Time, attempt.Cancel);
            return ScriptedEndpoints.Ok();
        };

        using var response = await mesh.Get();

        Assert.False(mesh.Runtime.Resilience.IsOutOfBudget);
        Assert.Equal(0, Destination(mesh).Hedges.Sent);
        Assert.True(Destination(mesh).Hedges.TryTake());
        Assert.DoesNotContain(mesh.Logs.GetSnapshot(), static log => log.Id.Id == 203);
    }

    [Fact]
    public async Task Send_RequestToAStranger_HedgeTellsNothing()
    {
        await using var mesh = await TestMesh.StartAsync(
            """
            "Services": { "api.example.com": { "Endpoints": [ { "Address": "http://10.0.0.1" }, { "Address": "http://10.0.0.2" } ] } },
            "Routes": { "api.example.com": [ { "Route": [ { } ], "Hedging": { "Delay": "20ms", "MaxExtraPercent": 100 } } ] }
            """);
        mesh.Endpoints.Answer = static (n, attempt) => n == 0 ? attempt.Hang() : Task.FromResult(ScriptedEndpoints.Ok());

        using var response = await mesh.Get("http://api.example.com/");

        Assert.Equal(2, mesh.Endpoints.Attempts.Count);
        Assert.All(mesh.Endpoints.Attempts, static a => Assert.Equal("", a.Headers));
        AllEnd(mesh);
    }

    [Fact]
    public async Task Send_CallerGivesUp_BothAreCancelled()
    {
        await using var mesh = await StartAsync(""" "Delay": "20ms", "MaxExtraPercent": 100 """);
        mesh.Endpoints.Answer = static (_, attempt) => attempt.Hang();
        using var cancel = new CancellationTokenSource();
        var get = mesh.Http.GetAsync("http://reviews/", cancel.Token);
        mesh.Time.Advance(TimeSpan.FromMilliseconds(30));
        Assert.True(SpinWait.SpinUntil(() => mesh.Endpoints.Attempts.Count == 2, s_patience));

        await cancel.CancelAsync();

        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => get);
        Assert.Equal(cancel.Token, error.CancellationToken);
        Assert.All(mesh.Endpoints.Attempts, static a => Assert.True(a.Cancel.IsCancellationRequested));
        AllEnd(mesh);
        Assert.Equal(0, Destination(mesh).Retries.Active);
    }

    [Fact]
    public async Task Send_NobodyAnswers_FailsAtItsTime()
    {
        await using var mesh = await StartAsync(""" "Delay": "20ms", "MaxExtraPercent": 100, "Attempts": 2 """, """, "Outbound": { "Timeout": "1s" } """);
        (await mesh.Get()).Dispose();
        mesh.Endpoints.Attempts.Clear();
        mesh.Endpoints.Answer = static (_, attempt) => attempt.Hang();

        await Assert.ThrowsAsync<DeadlineExceededException>(() => mesh.Get());

        Assert.Equal(3, mesh.Endpoints.Attempts.Select(static a => a.Address).Distinct().Count());
        AllEnd(mesh);
    }

    [Fact]
    public async Task Send_MeasuredPercentile_HedgesOnceEnoughIsKnown()
    {
        await using var mesh = await StartAsync(""" "Percentile": 90, "MaxExtraPercent": 100 """);
        var isSlow = true;
        mesh.Endpoints.Answer = async (n, attempt) =>
        {
            await Task.Delay(TimeSpan.FromMilliseconds(isSlow ? 3000 : 40), mesh.Time, attempt.Cancel);
            return ScriptedEndpoints.Ok();
        };
        using (await mesh.Get())
        {
            Assert.Single(mesh.Endpoints.Attempts);
        }

        isSlow = false;
        for (var i = 0; i < 120; i++)
        {
            using var response = await mesh.Get();
        }

        var before = mesh.Endpoints.Attempts.Count;
        isSlow = true;
        var call = mesh.Http.GetAsync("http://reviews/", TestContext.Current.CancellationToken);
        while (mesh.Endpoints.Attempts.Count < before + 2)
        {
            mesh.Time.Advance(TimeSpan.FromMilliseconds(10));
        }

        isSlow = false;
        using var last = await mesh.Finish(call);
        Assert.Equal(before + 2, mesh.Endpoints.Attempts.Count);
    }

    /// <summary>Who lost ends right after the winner, on another thread.</summary>
    private static void AllEnd(TestMesh mesh) => Assert.True(SpinWait.SpinUntil(() => mesh.InFlight == 0, s_patience));

    private static DestinationState Destination(TestMesh mesh) =>
        mesh.Runtime.Current.Find("reviews")!.Destinations.Single(static d => d.Name == "reviews.default");

    private static Task<TestMesh> StartAsync(string hedging, string more = "") => TestMesh.StartAsync(TestMesh.Reviews(
        $$""" "Routes": { "reviews": [ { "Route": [ { } ], "Hedging": { {{hedging}} } } ] } {{more}} """));
}
