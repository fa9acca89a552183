using System.Diagnostics.Metrics;
using System.Net;
using Mesh.Discovery;
using Mesh.Discovery.Catalogs;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Runtime.Resilience;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Logging;

namespace Mesh.Client.Tests.Resilience;

public sealed class CircuitBreakerTests
{
    private const string Small = """ "FailureRatio": 0.5, "MinimumThroughput": 4, "SamplingDuration": "10s", "BreakDuration": "5s" """;

    private readonly ReloadableRules _rules = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("ooxx", true)]
    [InlineData("xxxo", false)]
    [InlineData("oooxxooooo", false)]
    [InlineData("xxx", false)]
    [InlineData("oo4xxx", true)]
    [InlineData("444444", false)]
    [InlineData("cccc", true)]
    [InlineData("rrrr", true)]
    [InlineData("bbbbbb", false)]
    [InlineData("gggg", true)]
    [InlineData("nnnnn", false)]
    public async Task Send_Outcomes_OpenAtRatioAndVolumeOnly(string outcomes, bool opens)
    {
        await using var mesh = await StartAsync(Small);
        mesh.Endpoints.Script([.. outcomes.Select(static outcome => (Func<HttpResponseMessage>)(() => Outcome(outcome)))]);

        foreach (var _ in outcomes)
        {
            await Try(mesh);
        }

        Assert.Equal(opens, Circuit(mesh).State == CircuitState.Open);
        Assert.Equal(outcomes.Length, mesh.Endpoints.Attempts.Count);
        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Send_FailuresOlderThanTheWindow_DoNotCount()
    {
        await using var mesh = await StartAsync(Small);
        mesh.Endpoints.Script(static () => ScriptedEndpoints.Status(500));
        for (var i = 0; i < 3; i++)
        {
            await Try(mesh);
        }

        mesh.Time.Advance(TimeSpan.FromSeconds(11));
        await Try(mesh);

        Assert.Equal(CircuitState.Closed, Circuit(mesh).State);
    }

    [Fact]
    public async Task Send_Open_FailsAtOnceAndNothingIsTouched()
    {
        await using var mesh = await StartAsync(Small, """ "Outbound": { "RetryAttempts": 2 }, """, """, "OutlierDetection": { "Consecutive5xxErrors": 5 } """);
        await OpenAsync(mesh);
        var sent = mesh.Endpoints.Attempts.Count;
        var balance = Destination(mesh).Retries.Balance(mesh.Time.GetTimestamp());

        var error = await Assert.ThrowsAsync<CircuitOpenException>(() => mesh.Http.GetAsync("http://reviews/", Cancel));

        Assert.Equal(("reviews.default", "FailureRatio", 50), (error.Destination, error.Limit, error.Value));
        Assert.Equal(TimeSpan.FromSeconds(5), error.RetryAfter);
        Assert.Equal(
            "GET http://reviews/: the circuit breaker of reviews.default is open for another 5 s, because 4 attempts, 100 %, have failed; nothing was sent.",
            error.Message);
        Assert.IsAssignableFrom<HttpRequestException>(error);
        Assert.Equal((sent, 0, 0), (mesh.Endpoints.Attempts.Count, mesh.InFlight, Destination(mesh).Retries.Active));
        Assert.Equal(balance, Destination(mesh).Retries.Balance(mesh.Time.GetTimestamp()));
        Assert.Equal(3, Destination(mesh).View.Endpoints.Length);
        Assert.Equal(1, Circuit(mesh).Refused);
    }

    [Fact]
    public async Task Send_TheAttemptThatOpens_IsNotRetriedAndItsCallerGetsTheAnswer()
    {
        await using var mesh = await StartAsync(Small, """ "Outbound": { "RetryAttempts": 9 }, """);
        mesh.Endpoints.Script(static () => ScriptedEndpoints.Status(503));

        using var response = await mesh.Get();

        // Retries are attempts: the fourth one opens it.
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal("status 503", await response.Content.ReadAsStringAsync(Cancel));
        Assert.Equal(4, mesh.Endpoints.Attempts.Count);
        Assert.Equal((0, 0), (mesh.InFlight, Destination(mesh).Retries.Active));
    }

    [Fact]
    public async Task Send_OpensInThePauseOfARetry_TheErrorTellsTheFailureBefore()
    {
        await using var mesh = await StartAsync(Small, """ "Outbound": { "RetryAttempts": 1 }, """);
        mesh.Endpoints.Answer = static (n, _) => n == 0 ? throw ScriptedEndpoints.Reset() : Task.FromResult(ScriptedEndpoints.Status(500));
        var first = mesh.Http.GetAsync("http://reviews/", Cancel);
        for (var i = 0; i < 3; i++)
        {
            using var other = await mesh.Http.PostAsync("http://reviews/", null, Cancel);
        }

        var error = await Assert.ThrowsAsync<CircuitOpenException>(() => mesh.Finish(first));

        Assert.Contains("reset", error.InnerException!.Message, StringComparison.Ordinal);
        Assert.Equal((4, 0), (mesh.Endpoints.Attempts.Count, Destination(mesh).Retries.Active));
    }

    [Fact]
    public async Task Send_HalfOpen_OneProbeGoesThroughAndAGoodAnswerCloses()
    {
        await using var mesh = await StartAsync(Small);
        await OpenAsync(mesh);
        var answer = new TaskCompletionSource<HttpResponseMessage>();
        mesh.Endpoints.Answer = (_, _) => answer.Task;
        var sent = mesh.Endpoints.Attempts.Count;
        mesh.Time.Advance(TimeSpan.FromSeconds(5));

        var probe = mesh.Http.GetAsync("http://reviews/", Cancel);
        Assert.True(SpinWait.SpinUntil(() => Circuit(mesh).State == CircuitState.HalfOpen && mesh.Endpoints.Attempts.Count > sent, TimeSpan.FromSeconds(30)));
        var error = await Assert.ThrowsAsync<CircuitOpenException>(() => mesh.Http.GetAsync("http://reviews/", Cancel));
        answer.SetResult(ScriptedEndpoints.Ok());
        using var response = await probe;

        Assert.Null(error.RetryAfter);
        Assert.Contains("is half-open, and the call that is let through is still under way", error.Message, StringComparison.Ordinal);
        Assert.Equal((sent + 1, CircuitState.Closed), (mesh.Endpoints.Attempts.Count, Circuit(mesh).State));
        mesh.Endpoints.Script(static () => ScriptedEndpoints.Ok());
        (await mesh.Get()).Dispose();
        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Send_ManyAtOnceWhenTheBreakIsOver_OneIsSent()
    {
        await using var mesh = await StartAsync(Small);
        await OpenAsync(mesh);
        var answer = new TaskCompletionSource<HttpResponseMessage>();
        mesh.Endpoints.Answer = (_, _) => answer.Task;
        var sent = mesh.Endpoints.Attempts.Count;
        mesh.Time.Advance(TimeSpan.FromSeconds(5));

        var calls = Enumerable.Range(0, 32).Select(_ => Task.Run(() => mesh.Http.GetAsync("http://reviews/", Cancel))).ToList();
        Assert.True(SpinWait.SpinUntil(() => calls.Count(static call => call.IsFaulted) == 31, TimeSpan.FromSeconds(30)));
        answer.SetResult(ScriptedEndpoints.Ok());

        using var response = await calls.Single(static call => !call.IsFaulted);
        Assert.All(calls.Where(static call => call.IsFaulted), static call => Assert.IsType<CircuitOpenException>(call.Exception!.InnerException));
        Assert.Equal((sent + 1, 0), (mesh.Endpoints.Attempts.Count, mesh.InFlight));
    }

    [Theory]
    [InlineData("500")]
    [InlineData("refused")]
    [InlineData("cancelled")]
    [InlineData("timeout")]
    public async Task Send_ProbeWithoutAGoodAnswer_OpensAgain(string outcome)
    {
        await using var mesh = await StartAsync(Small, """ "Outbound": { "RetryAttempts": 2, "PerTryTimeout": "1s" }, """);
        await OpenAsync(mesh);
        using var cancel = new CancellationTokenSource();
        mesh.Endpoints.Answer = (_, attempt) => outcome switch
        {
            "500" => Task.FromResult(ScriptedEndpoints.Status(500)),
            "refused" => throw ScriptedEndpoints.ConnectFailure(),
            _ => attempt.Hang(),
        };
        var sent = mesh.Endpoints.Attempts.Count;
        mesh.Time.Advance(TimeSpan.FromSeconds(5));

        var probe = mesh.Http.GetAsync("http://reviews/", cancel.Token);
        if (outcome == "cancelled")
        {
            await cancel.CancelAsync();
        }

        await Try(mesh.Finish(probe));

        Assert.Equal((sent + 1, CircuitState.Open, 0), (mesh.Endpoints.Attempts.Count, Circuit(mesh).State, mesh.InFlight));
        mesh.Endpoints.Script(static () => ScriptedEndpoints.Ok());
        await Assert.ThrowsAsync<CircuitOpenException>(() => mesh.Http.GetAsync("http://reviews/", Cancel));
        mesh.Time.Advance(TimeSpan.FromSeconds(5));
        (await mesh.Get()).Dispose();
        Assert.Equal(CircuitState.Closed, Circuit(mesh).State);
    }

    [Fact]
    public async Task Send_Cancelled_CountsAsNothing()
    {
        await using var mesh = await StartAsync(Small);
        mesh.Endpoints.Answer = static (_, attempt) => attempt.Hang();
        for (var i = 0; i < 10; i++)
        {
            using var cancel = new CancellationTokenSource();
            var call = mesh.Http.GetAsync("http://reviews/", cancel.Token);
            await cancel.CancelAsync();
            await Try(call);
        }

        Assert.Equal(CircuitState.Closed, Circuit(mesh).State);

        // Nor as a success: four failures are all there is.
        await OpenAsync(mesh);
        Assert.Equal(1.0, Circuit(mesh).Failures.Rate);
        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Send_WhatTheMeshRefuses_CountsAsNothing()
    {
        await using var mesh = await StartAsync(Small, destination: """, "ConnectionPool": { "MaxRequests": 1 } """);
        var answer = new TaskCompletionSource<HttpResponseMessage>();
        mesh.Endpoints.Answer = (_, _) => answer.Task;
        var first = mesh.Http.GetAsync("http://reviews/", Cancel);
        for (var i = 0; i < 9; i++)
        {
            Assert.Equal("MaxRequests", (await Assert.ThrowsAsync<CircuitOpenException>(() => mesh.Http.GetAsync("http://reviews/", Cancel))).Limit);
        }

        answer.SetResult(ScriptedEndpoints.Ok());
        (await first).Dispose();
        Assert.Equal(CircuitState.Closed, Circuit(mesh).State);
    }

    [Fact]
    public async Task Send_Hedges_AreCounted()
    {
        await using var mesh = await StartAsync(
            Small, """ "Routes": { "reviews": [ { "Hedging": { "Delay": "10ms", "MaxExtraPercent": 100 }, "Retries": { "Attempts": 0 }, "Route": [ {} ] } ] }, """);
        mesh.Endpoints.Answer = async (_, attempt) =>
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), mesh.Time, attempt.Cancel);
            return ScriptedEndpoints.Status(500);
        };

        for (var i = 0; i < 2; i++)
        {
            (await mesh.Get()).Dispose();
        }

        Assert.Equal((4, CircuitState.Open), (mesh.Endpoints.Attempts.Count, Circuit(mesh).State));
        await Assert.ThrowsAsync<CircuitOpenException>(() => mesh.Http.GetAsync("http://reviews/", Cancel));
        Assert.True(SpinWait.SpinUntil(() => mesh.InFlight == 0 && Destination(mesh).Retries.Active == 0, TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public async Task Send_OpensBeforeAHedge_ThereIsNone()
    {
        await using var mesh = await StartAsync(
            Small, """ "Routes": { "reviews": [ { "Hedging": { "Delay": "1s", "MaxExtraPercent": 100 }, "Retries": { "Attempts": 0 }, "Route": [ {} ] } ] }, """);
        mesh.Endpoints.Answer = async (n, attempt) =>
        {
            if (n > 0)
            {
                return ScriptedEndpoints.Status(500);
            }

            await Task.Delay(TimeSpan.FromSeconds(3), mesh.Time, attempt.Cancel);
            return ScriptedEndpoints.Ok("late");
        };
        var slow = mesh.Http.GetAsync("http://reviews/", Cancel);
        for (var i = 0; i < 4; i++)
        {
            using var other = await mesh.Http.GetAsync("http://reviews/", Cancel);
        }

        using var response = await mesh.Finish(slow, 500);

        Assert.Equal("late", await response.Content.ReadAsStringAsync(Cancel));
        Assert.Equal((5, CircuitState.Open), (mesh.Endpoints.Attempts.Count, Circuit(mesh).State));
    }

    [Fact]
    public async Task Send_OneBadEndpointOfTen_IsEjectedAndTheBreakerStaysClosed()
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(
            """ "Outbound": { "CircuitBreaker": {}, "OutlierDetection": { "BaseEjectionTime": "30s" } } """, endpoints: 10));
        mesh.Endpoints.Answer = static (_, attempt) => Task.FromResult(ScriptedEndpoints.Status(attempt.Address == "10.0.0.7:8080" ? 503 : 200));

        for (var i = 0; i < 1000; i++)
        {
            using var response = await mesh.Get();
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }

        Assert.Equal(CircuitState.Closed, Circuit(mesh).State);
        Assert.Equal(9, Destination(mesh).View.Endpoints.Length);
    }

    [Fact]
    public async Task Send_ServiceBehindAFlappingOne_NeverSeesErrors()
    {
        await using var mesh = await TestMesh.StartAsync("""
            "Services": { "flapping": { "Endpoints": [ { "Address": "http://10.0.0.1:8080" } ] }, "healthy": { "Endpoints": [ { "Address": "http://10.0.0.2:8080" } ] } },
            "Outbound": { "RetryAttempts": 0, "CircuitBreaker": { "MinimumThroughput": 2, "FailureRatio": 0.5 } }
            """);
        mesh.Endpoints.Answer = static (_, attempt) => Task.FromResult(ScriptedEndpoints.Status(attempt.Address == "10.0.0.1:8080" ? 500 : 200));

        for (var i = 0; i < 20; i++)
        {
            await Try(mesh.Http.GetAsync("http://flapping/", Cancel));
            using var response = await mesh.Http.GetAsync("http://healthy/", Cancel);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }

        Assert.Equal((CircuitState.Open, CircuitState.Closed), (Circuit(mesh, "flapping").State, Circuit(mesh, "healthy").State));
    }

    [Fact]
    public async Task Send_SubsetWithABreakerOfItsOwn_IsCountedByItself()
    {
        await using var mesh = await TestMesh.StartAsync("""
            "Services": { "reviews": { "Endpoints": [
              { "Address": "http://10.0.0.1:80", "Labels": { "v": "1" } }, { "Address": "http://10.0.0.2:80", "Labels": { "v": "2" } } ] } },
            "Outbound": { "RetryAttempts": 0 },
            "Routes": { "reviews": [
              { "Match": [ { "Uri": { "Prefix": "/1" } } ], "Route": [ { "Subset": "v1" } ] },
              { "Match": [ { "Uri": { "Prefix": "/2" } } ], "Route": [ { "Subset": "v2" } ] },
              { "Route": [ {} ] } ] },
            "Destinations": { "reviews": {
              "CircuitBreaker": { "MinimumThroughput": 2, "FailureRatio": 1 },
              "Subsets": { "v1": { "Labels": { "v": "1" } }, "v2": { "Labels": { "v": "2" }, "CircuitBreaker": { "MinimumThroughput": 50 } } } } }
            """);
        mesh.Endpoints.Script(static () => ScriptedEndpoints.Status(500));
        foreach (var path in (string[])["1", "1", "2", "2", "3"])
        {
            (await mesh.Http.GetAsync("http://reviews/" + path, Cancel)).Dispose();
        }

        var service = mesh.Runtime.Current.Find("reviews")!;
        CircuitState State(string? subset) => service.GetDestination(new DestinationKey(service.Name, subset)).Circuit!.State;
        Assert.Equal((CircuitState.Open, CircuitState.Closed, CircuitState.Closed), (State("v1"), State("v2"), State(null)));
        Assert.Equal(50, service.GetDestination(new DestinationKey(service.Name, "v2")).Circuit!.Settings.MinimumThroughput);
    }

    [Fact]
    public async Task Rules_StateOpenAndBack_ActAtOnce()
    {
        await using var mesh = await StartAsync(Small, """ "Outbound": { "RetryAttempts": 2 }, """);
        (await mesh.Get()).Dispose();

        Force(mesh, "Open");
        var error = await Assert.ThrowsAsync<CircuitOpenException>(() => mesh.Http.GetAsync("http://reviews/", Cancel));
        Assert.Equal(("State", 0, null), (error.Limit, error.Value, error.RetryAfter));
        Assert.Equal(
            "GET http://reviews/: the circuit breaker of reviews.default is held open by an operator (State: Open); nothing was sent.", error.Message);
        mesh.Time.Advance(TimeSpan.FromHours(1));
        await Assert.ThrowsAsync<CircuitOpenException>(() => mesh.Http.GetAsync("http://reviews/", Cancel));
        Assert.Single(mesh.Endpoints.Attempts);

        Force(mesh, "Auto");
        (await mesh.Get()).Dispose();
        Assert.Equal(2, mesh.Endpoints.Attempts.Count);
        Assert.Equal(
            ["The circuit breaker of reviews.default is Open by its rule (State: Open), until that changes. Calls fail at once.",
                "The circuit breaker of reviews.default is Closed. Meanwhile 2 calls have failed at once."],
            CircuitLogs(mesh));
    }

    [Fact]
    public async Task Rules_StateOpenAlone_OpensWhatHasNoBreaker()
    {
        await using var mesh = await StartAsync(null);
        (await mesh.Get()).Dispose();

        Force(mesh, "Open");
        await Assert.ThrowsAsync<CircuitOpenException>(() => mesh.Http.GetAsync("http://reviews/", Cancel));
        _rules.Change(mesh, () => Destination(mesh).View.Circuit is null, ("Destinations:reviews:CircuitBreaker:State", null));

        (await mesh.Get()).Dispose();
        Assert.Equal(2, mesh.Endpoints.Attempts.Count);
    }

    [Fact]
    public async Task Rules_StateClosed_NeverOpens()
    {
        await using var mesh = await StartAsync(Small);
        await OpenAsync(mesh);

        Force(mesh, "Closed");
        for (var i = 0; i < 20; i++)
        {
            using var response = await mesh.Http.GetAsync("http://reviews/", Cancel);
            Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        }

        Assert.Equal(CircuitState.Closed, Circuit(mesh).State);
    }

    [Fact]
    public async Task Rules_OthersChange_TheBreakerStaysOpen()
    {
        await using var mesh = await StartAsync(Small);
        await OpenAsync(mesh);
        var circuit = Circuit(mesh);

        _rules.Change(mesh, () => Destination(mesh).View.MaxRetries == 7, ("Destinations:reviews:ConnectionPool:MaxRetries", "7"));

        Assert.Same(circuit, Circuit(mesh));
        await Assert.ThrowsAsync<CircuitOpenException>(() => mesh.Http.GetAsync("http://reviews/", Cancel));
    }

    [Fact]
    public async Task Rules_ItsOwnSettingsChange_ItStaysOpenAndThenCountsByTheNewOnes()
    {
        await using var mesh = await StartAsync(Small);
        await OpenAsync(mesh);

        _rules.Change(
            mesh,
            () => Circuit(mesh).Settings is { MinimumThroughput: 10 },
            ("Destinations:reviews:CircuitBreaker:MinimumThroughput", "10"),
            ("Destinations:reviews:CircuitBreaker:BreakDuration", "20s"));
        await Assert.ThrowsAsync<CircuitOpenException>(() => mesh.Http.GetAsync("http://reviews/", Cancel));
        mesh.Time.Advance(TimeSpan.FromSeconds(5));

        // The probe fails: open again, for the new time.
        await Try(mesh);
        mesh.Time.Advance(TimeSpan.FromSeconds(19));
        await Assert.ThrowsAsync<CircuitOpenException>(() => mesh.Http.GetAsync("http://reviews/", Cancel));
        mesh.Time.Advance(TimeSpan.FromSeconds(1));
        mesh.Endpoints.Script(static () => ScriptedEndpoints.Ok());
        await Try(mesh);
        Assert.Equal(CircuitState.Closed, Circuit(mesh).State);

        mesh.Endpoints.Answer = static (_, _) => Task.FromResult(ScriptedEndpoints.Status(500));
        for (var i = 0; i < 8; i++)
        {
            await Try(mesh);
        }

        // With the probe's good answer they are nine.
        Assert.Equal(CircuitState.Closed, Circuit(mesh).State);
        await Try(mesh);
        Assert.Equal(CircuitState.Open, Circuit(mesh).State);
    }

    [Fact]
    public async Task Transitions_LogAndMetrics_TellThem()
    {
        await using var mesh = await StartAsync(Small);
        using var transitions = new MetricCollector<long>(
            mesh.Services.GetRequiredService<IMeterFactory>(), MeshRuntime.MeterName, "mesh.circuit_breaker.transitions");
        using var open = new MetricCollector<long>(mesh.Services.GetRequiredService<IMeterFactory>(), MeshRuntime.MeterName, "mesh.circuit_breaker.open");
        await OpenAsync(mesh);
        await Try(mesh);
        mesh.Time.Advance(TimeSpan.FromSeconds(5));
        await Try(mesh);
        mesh.Time.Advance(TimeSpan.FromSeconds(5));
        mesh.Endpoints.Script(static () => ScriptedEndpoints.Ok());
        await Try(mesh);

        Assert.Equal(["open", "half_open", "open", "half_open", "closed"], transitions.GetMeasurementSnapshot().Select(static m => m.Tags["mesh.state"]));
        Assert.Equal([1, -1], open.GetMeasurementSnapshot().Select(static m => m.Value));
        Assert.Equal(
            ["The circuit breaker of reviews.default is Open for 00:00:05: 4 attempts, 100 %, have failed. Calls fail at once.",
                "The circuit breaker of reviews.default is HalfOpen: one call is let through.",
                "The circuit breaker of reviews.default is Open again for 00:00:05.",
                "The circuit breaker of reviews.default is HalfOpen: one call is let through.",
                "The circuit breaker of reviews.default is Closed. Meanwhile 1 calls have failed at once."],
            CircuitLogs(mesh));
        Assert.Single(mesh.Logs.GetSnapshot(), static log => log.Level == LogLevel.Warning);
    }

    [Fact]
    public async Task Send_OpenWithFailover_TheStandInGetsIt()
    {
        var catalog = new ScriptedCatalog { First = [At("10.0.0.1")] };
        await using var mesh = await TestMesh.StartAsync(
            $$""" "Discovery": { "Providers": [ "Scripted" ] }, "Destinations": { "reviews": { "CircuitBreaker": { {{Small}} } } } """,
            builder => builder.Services.AddSingleton<IEndpointCatalog>(catalog));
        catalog.Observer.ServiceChanged(new ServiceName("second", "default"), [At("10.0.0.2")]);
        var second = Arm(mesh, "second");
        var arm = Arm(mesh, "reviews", second);
        mesh.Runtime.Current.Find("reviews")!.SetRoutes(
            new RouteTable("t", [new Route { Name = "r", Arms = [arm], TotalWeight = 1, Retries = RetryPolicy.Default(2) }]));
        mesh.Endpoints.Answer = static (_, attempt) => Task.FromResult(ScriptedEndpoints.Status(attempt.Endpoint.Address.Host == "10.0.0.1" ? 503 : 200));

        // The one whose fourth attempt opens it is retried at the stand-in as well.
        (await mesh.Get()).Dispose();
        for (var i = 0; i < 5; i++)
        {
            using var response = await mesh.Get();
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }

        Assert.Equal(4, mesh.Endpoints.Attempts.Count(static a => a.Endpoint.Address.Host == "10.0.0.1"));
        catalog.Observer.ServiceChanged(new ServiceName("second", "default"), []);
        await Assert.ThrowsAsync<CircuitOpenException>(() => mesh.Get());
        Assert.Equal(0, mesh.InFlight);
    }

    private static RouteArm Arm(TestMesh mesh, string name, params RouteArm[] failover)
    {
        var key = new DestinationKey(new ServiceName(name, "default"));
        return new RouteArm
        {
            Key = key,
            Weight = 1,
            Failover = failover.Length == 0 ? null : failover,
            Destination = mesh.Runtime.Current.Find(name)!.GetDestination(key),
        };
    }

    private static Endpoint At(string host) => new() { Address = new Uri($"http://{host}:8080") };

    private static HttpResponseMessage Outcome(char outcome) => outcome switch
    {
        'o' => ScriptedEndpoints.Ok(),
        'x' => ScriptedEndpoints.Status(500),
        '4' => ScriptedEndpoints.Status(404),
        'c' => throw ScriptedEndpoints.ConnectFailure(),
        'r' => throw ScriptedEndpoints.Reset(),
        'b' => throw new InvalidOperationException("a bug"),
        'g' => Grpc("14"),
        'n' => Grpc("5"),
        _ => throw new ArgumentOutOfRangeException(nameof(outcome)),
    };

    private static HttpResponseMessage Grpc(string status) => new() { Version = HttpVersion.Version20, Headers = { { "grpc-status", status } } };

    private static async Task Try(TestMesh mesh) => await Try(mesh.Http.GetAsync("http://reviews/", Cancel));

    private static async Task Try(Task<HttpResponseMessage> call)
    {
        try
        {
            (await call).Dispose();
        }
        catch (Exception e) when (e is HttpRequestException or InvalidOperationException or OperationCanceledException)
        {
        }
    }

    /// <summary>Four attempts fail.</summary>
    private static async Task OpenAsync(TestMesh mesh)
    {
        mesh.Endpoints.Answer = static (_, _) => Task.FromResult(ScriptedEndpoints.Status(500));
        for (var i = 0; i < 4; i++)
        {
            using var response = await mesh.Http.PostAsync("http://reviews/", null, Cancel);
        }

        Assert.Equal(CircuitState.Open, Circuit(mesh).State);
    }

    private static string[] CircuitLogs(TestMesh mesh) =>
        [.. mesh.Logs.GetSnapshot().Where(static log => log.Id.Id is >= 128 and <= 132).Select(static log => log.Message)];

    private static DestinationState Destination(TestMesh mesh, string name = "reviews")
    {
        var service = mesh.Runtime.Current.Find(name)!;
        return service.GetDestination(new DestinationKey(service.Name));
    }

    private static DestinationCircuit Circuit(TestMesh mesh, string name = "reviews") => Destination(mesh, name).Circuit!;

    private void Force(TestMesh mesh, string state) => _rules.Change(
        mesh, () => Circuit(mesh)?.Settings.State.ToString() == state, ("Destinations:reviews:CircuitBreaker:State", state));

    private Task<TestMesh> StartAsync(string? breaker, string more = """ "Outbound": { "RetryAttempts": 0 }, """, string destination = "") =>
        TestMesh.StartAsync(
            TestMesh.Reviews(breaker is null
                ? more.TrimEnd().TrimEnd(',')
                : $$""" {{more}} "Destinations": { "reviews": { "CircuitBreaker": { {{breaker}} } {{destination}} } } """),
            builder => ((IConfigurationBuilder)builder.Configuration).Add(_rules));
}
