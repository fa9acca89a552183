using System.Net;
using System.Text;
using Mesh.Client.Pipeline;
using Mesh.Discovery;
using Mesh.Discovery.Runtime;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Polly;
using Polly.CircuitBreaker;
using Polly.Fallback;
using Polly.Hedging;
using Polly.Retry;
using Polly.Timeout;

namespace Mesh.Client.Tests.Resilience;

/// <summary>Pipelines of the application around attempts (destinations) and around whole requests (routes).</summary>
public sealed class ApplicationPipelineTests
{
    private const string AroundAttempts = """ "Destinations": { "reviews": { "ResiliencePipeline": "Own" } } """;
    private const string AroundRequests = """ "Routes": { "reviews": [ { "ResiliencePipeline": "own", "Route": [ {} ] } ] } """;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Attempt_PipelineRetries_TheSameEndpointWithinOneAttempt()
    {
        await using var mesh = await StartAsync(AroundAttempts, static pipeline => pipeline.AddRetry(Retry(1)));
        mesh.Endpoints.Script(static () => ScriptedEndpoints.Status(503), static () => ScriptedEndpoints.Ok());

        using var response = await mesh.Post();

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Single(mesh.Endpoints.Attempts.Select(static a => a.Address).Distinct());
        Assert.Equal(2, mesh.Endpoints.Attempts.Count);
        Assert.All(mesh.Endpoints.Attempts, static a => Assert.DoesNotContain("x-mesh-attempt", a.Headers, StringComparison.Ordinal));
        Assert.Equal("http://reviews/", response.RequestMessage!.RequestUri!.ToString());
        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Attempt_PipelineAndMeshRetry_MultiplyAndEndElsewhere()
    {
        await using var mesh = await StartAsync(AroundAttempts, static pipeline => pipeline.AddRetry(Retry(1)));
        mesh.Endpoints.Script(static () => ScriptedEndpoints.Status(503));

        using var response = await mesh.Get();

        Assert.Equal((6, 3), (mesh.Endpoints.Attempts.Count, mesh.Endpoints.Attempts.Select(static a => a.Address).Distinct().Count()));
        Assert.Equal((0, 0), (mesh.InFlight, Destination(mesh).Retries.Active));
    }

    [Fact]
    public async Task Attempt_PipelineTimesOut_IsAnHttpRequestExceptionAndFinal()
    {
        await using var mesh = await StartAsync(AroundAttempts, static pipeline => pipeline.AddTimeout(TimeSpan.FromSeconds(1)));
        mesh.Endpoints.Answer = static (_, attempt) => attempt.Hang();

        var error = await Assert.ThrowsAsync<PipelineRejectedException>(() => mesh.Get());

        Assert.Equal("Own", error.Pipeline);
        Assert.IsType<TimeoutRejectedException>(error.InnerException);
        Assert.IsAssignableFrom<HttpRequestException>(error);
        Assert.StartsWith("GET http://reviews/: the resilience pipeline 'Own' of reviews.default has ended the request: ", error.Message, StringComparison.Ordinal);
        Assert.Equal((1, 0), (mesh.Endpoints.Attempts.Count, mesh.InFlight));
    }

    [Fact]
    public async Task Attempt_PipelineRefuses_NothingIsSentAndNobodyIsToBlame()
    {
        await using var mesh = await StartAsync(
            """ "Destinations": { "reviews": { "ResiliencePipeline": "own", "OutlierDetection": { "Consecutive5xxErrors": 1 }, "CircuitBreaker": { "MinimumThroughput": 2 } } } """,
            static pipeline => pipeline.AddStrategy(static _ => new Refusing(), new RefusingOptions()));

        for (var i = 0; i < 5; i++)
        {
            var error = await Assert.ThrowsAsync<PipelineRejectedException>(() => mesh.Get());
            Assert.IsType<InvalidTimeZoneException>(error.InnerException);
        }

        Assert.Empty(mesh.Endpoints.Attempts);
        Assert.Equal((3, 0), (Destination(mesh).View.Endpoints.Length, mesh.InFlight));
        Assert.Equal(Mesh.Discovery.Runtime.Resilience.CircuitState.Closed, Destination(mesh).Circuit!.State);
    }

    [Fact]
    public async Task Attempt_TransportFails_TheMeshRetriesAsEver()
    {
        await using var mesh = await StartAsync(AroundAttempts, static pipeline => pipeline.AddTimeout(TimeSpan.FromSeconds(1)));
        mesh.Endpoints.Script(static () => throw ScriptedEndpoints.ConnectFailure(), static () => ScriptedEndpoints.Ok());

        using var response = await mesh.Get();

        Assert.Equal(2, mesh.Endpoints.Attempts.Select(static a => a.Address).Distinct().Count());
    }

    [Fact]
    public async Task Attempt_CallerCancels_GetsItsOwnToken()
    {
        await using var mesh = await StartAsync(AroundAttempts, static pipeline => pipeline.AddTimeout(TimeSpan.FromMinutes(1)).AddRetry(Retry(3)));
        mesh.Endpoints.Answer = static (_, attempt) => attempt.Hang();
        using var cancel = new CancellationTokenSource();
        var call = mesh.Http.GetAsync("http://reviews/", cancel.Token);

        await cancel.CancelAsync();

        Assert.Equal(cancel.Token, (await Assert.ThrowsAsync<TaskCanceledException>(() => call)).CancellationToken);
        Assert.Equal((1, 0), (mesh.Endpoints.Attempts.Count, mesh.InFlight));
    }

    [Fact]
    public async Task Attempt_MeshTimesOutFirst_SaysSo()
    {
        await using var mesh = await StartAsync(
            """ "Outbound": { "PerTryTimeout": "1s", "RetryAttempts": 0 }, """ + AroundAttempts, static pipeline => pipeline.AddTimeout(TimeSpan.FromMinutes(1)));
        mesh.Endpoints.Answer = static (_, attempt) => attempt.Hang();

        await Assert.ThrowsAsync<DeadlineExceededException>(() => mesh.Get());

        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Attempt_OpenBreaker_DoesNotEnterThePipeline()
    {
        var entered = 0;
        await using var mesh = await StartAsync(
            """ "Destinations": { "reviews": { "ResiliencePipeline": "own", "CircuitBreaker": { "State": "Open" } } } """,
            pipeline => pipeline.AddStrategy(_ => new Refusing(() => entered++), new RefusingOptions()));

        await Assert.ThrowsAsync<CircuitOpenException>(() => mesh.Get());

        Assert.Equal(0, entered);
    }

    [Fact]
    public async Task Attempt_TwoDestinations_HaveBreakersOfTheirOwn()
    {
        var made = new List<string?>();
        await using var mesh = await TestMesh.StartAsync(
            """
            "Services": { "a": { "Endpoints": [ { "Address": "http://10.0.0.1:8080" } ] }, "b": { "Endpoints": [ { "Address": "http://10.0.0.2:8080" } ] } },
            "Outbound": { "RetryAttempts": 0 },
            "Destinations": { "a": { "ResiliencePipeline": "own" }, "b": { "ResiliencePipeline": "own" } }
            """,
            builder => builder.AddServiceMesh().AddResiliencePipeline("own", pipeline =>
            {
                made.Add($"{pipeline.Name} {pipeline.InstanceName}");
                pipeline.AddCircuitBreaker(new CircuitBreakerStrategyOptions<HttpResponseMessage>
                {
                    MinimumThroughput = 2,
                    ShouldHandle = static args => new ValueTask<bool>(args.Outcome.Result?.IsSuccessStatusCode != true),
                });
            }));
        mesh.Endpoints.Answer = static (_, attempt) => Task.FromResult(ScriptedEndpoints.Status(attempt.Address.StartsWith("10.0.0.1", StringComparison.Ordinal) ? 500 : 200));

        for (var i = 0; i < 2; i++)
        {
            (await mesh.Get("http://a/")).Dispose();
        }

        var error = await Assert.ThrowsAsync<PipelineRejectedException>(() => mesh.Get("http://a/"));
        (await mesh.Get("http://b/")).Dispose();

        Assert.IsType<BrokenCircuitException>(error.InnerException);
        Assert.Equal(["own a.default", "own b.default"], made);
    }

    [Fact]
    public async Task Rules_OthersChange_TheInstanceStays()
    {
        var made = 0;
        var rules = new ReloadableRules();
        await using var mesh = await StartAsync(AroundAttempts, pipeline => made += pipeline.Name is null ? 0 : 1, rules);
        (await mesh.Get()).Dispose();

        rules.Change(mesh, () => Destination(mesh).View.MaxRetries == 7, ("Destinations:reviews:ConnectionPool:MaxRetries", "7"));
        (await mesh.Get()).Dispose();

        Assert.Equal(1, made);
    }

    [Fact]
    public async Task Rules_NobodyRegisteredThePipeline_NamesPlaceAndThoseThatAre()
    {
        var error = await Assert.ThrowsAsync<MeshConfigurationException>(() => StartAsync(
            """ "Destinations": { "reviews": { "ResiliencePipeline": "slow" } }, "Routes": { "reviews": [ { "ResiliencePipeline": "fast", "Route": [ {} ] } ] } """,
            static pipeline => { }));

        Assert.Contains(
            "Mesh:Destinations:reviews:ResiliencePipeline: the resilience pipeline 'slow' is not registered; registered by AddResiliencePipeline are: own",
            error.Message, StringComparison.Ordinal);
        Assert.Contains("Mesh:Routes:reviews:0:ResiliencePipeline: the resilience pipeline 'fast' is not registered", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Register_OneNameTwice_KeepsTheHostFromStarting()
    {
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => TestMesh.StartAsync(
            build: static builder => builder.AddServiceMesh().AddResiliencePipeline("own", static _ => { }).AddResiliencePipeline("Own", static _ => { })));

        Assert.Equal("The resilience pipeline 'own' is registered 2 times; each name is wanted once.", error.Message);
    }

    [Fact]
    public async Task Register_WithServices_GetsThoseOfTheApplication()
    {
        TimeProvider? time = null;
        await using var mesh = await TestMesh.StartAsync(
            TestMesh.Reviews(AroundAttempts),
            builder => builder.AddServiceMesh().AddResiliencePipeline("own", (pipeline, services) =>
            {
                time = services.GetRequiredService<TimeProvider>();
                Assert.Same(time, pipeline.TimeProvider);
            }));

        (await mesh.Get()).Dispose();

        Assert.Same(mesh.Time, time);
    }

    [Fact]
    public async Task Request_PipelineRetries_MakesAnotherPassWithTheSameSideAndAFreshMessage()
    {
        await using var mesh = await StartAsync(
            """
            "Routes": { "reviews": [ { "ResiliencePipeline": "own", "Retries": { "Attempts": 1, "RetryOn": "5xx" },
              "Route": [ { "Host": "reviews", "Weight": 50 }, { "Host": "other", "Weight": 50 } ] } ] },
            "Services": { "reviews": { "Endpoints": [ { "Address": "http://10.0.0.1:8080" }, { "Address": "http://10.0.0.2:8080" } ] },
              "other": { "Endpoints": [ { "Address": "http://10.0.1.1:8080" }, { "Address": "http://10.0.1.2:8080" } ] } }
            """,
            static pipeline => pipeline.AddRetry(Retry(2)),
            hasServices: true);
        for (var i = 0; i < 10; i++)
        {
            mesh.Endpoints.Attempts.Clear();
            mesh.Endpoints.Answer = static (n, _) => Task.FromResult(ScriptedEndpoints.Status(n % 6 == 5 ? 200 : 503));
            var request = new HttpRequestMessage(HttpMethod.Get, "http://reviews/");

            using var response = await mesh.Finish(mesh.Http.SendAsync(request, Cancel));

            // Two attempts each in three passes.
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            Assert.Equal(6, mesh.Endpoints.Attempts.Count);
            Assert.Single(mesh.Endpoints.Attempts.Select(static a => a.Address[..6]).Distinct());
            Assert.Equal(
                [false, true, false, true, false, true],
                mesh.Endpoints.Attempts.Select(static a => a.Headers.Contains("x-mesh-attempt", StringComparison.Ordinal)));
            Assert.Same(request, response.RequestMessage);
            Assert.Empty(request.Headers);
        }

        Assert.Equal(0, mesh.InFlight);
    }

    [Theory]
    [InlineData("text", 3)]
    [InlineData("seekable", 3)]
    [InlineData("stream", 1)]
    [InlineData("large", 1)]
    public async Task Request_PipelineRetries_SendsTheBodyAgainOnlyIfItCan(string body, int sent)
    {
        await using var mesh = await StartAsync(
            AroundRequests + """, "Outbound": { "RetryAttempts": 0 } """, static pipeline => pipeline.AddRetry(Retry(2)));
        var bodies = new List<string>();
        mesh.Endpoints.Answer = async (n, attempt) =>
        {
            // As a transport does it: what reads it as a text would keep it in memory.
            var copy = new MemoryStream();
            await attempt.Request.Content!.CopyToAsync(copy, Cancel);
            bodies.Add(Encoding.UTF8.GetString(copy.ToArray()));
            return ScriptedEndpoints.Status(n < 2 ? 503 : 200);
        };
        HttpContent content = body switch
        {
            "text" => new StringContent("body"),
            "seekable" => new StreamContent(new MemoryStream("body"u8.ToArray())),
            "large" => new StringContent(new string('x', (64 * 1024) + 1)),
            _ => new StreamContent(new OneWay("body"u8.ToArray())),
        };

        if (sent == 1)
        {
            var error = await Assert.ThrowsAsync<PipelineRejectedException>(() => mesh.Post(content));
            Assert.Contains("its body cannot be sent twice", error.Message, StringComparison.Ordinal);
        }
        else
        {
            using var response = await mesh.Post(content);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            Assert.All(bodies, static text => Assert.Equal("body", text));
        }

        Assert.Equal((sent, 0), (mesh.Endpoints.Attempts.Count, mesh.InFlight));
    }

    [Fact]
    public async Task Request_TotalTimeout_IsAroundThePipelineAndItsPauses()
    {
        await using var mesh = await StartAsync(
            """ "Outbound": { "RetryAttempts": 0, "Timeout": "10s" }, """ + AroundRequests,
            static pipeline => pipeline.AddRetry(Retry(100, TimeSpan.FromSeconds(3))));
        mesh.Endpoints.Script(static () => ScriptedEndpoints.Status(503));

        var error = await Assert.ThrowsAsync<DeadlineExceededException>(() => mesh.Finish(mesh.Http.GetAsync("http://reviews/", Cancel), 100));

        Assert.InRange(mesh.Endpoints.Attempts.Count, 2, 4);
        Assert.Contains("no response from reviews.default within 10 s", error.Message, StringComparison.Ordinal);
        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Request_PipelineTimesOut_AllAttemptsAreOver()
    {
        await using var mesh = await StartAsync(AroundRequests, static pipeline => pipeline.AddTimeout(TimeSpan.FromSeconds(2)));
        mesh.Endpoints.Answer = static (_, attempt) => attempt.Hang();

        var error = await Assert.ThrowsAsync<PipelineRejectedException>(() => mesh.Get());

        Assert.IsType<TimeoutRejectedException>(error.InnerException);
        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Request_MeshFails_TheFailureReachesTheCallerAsItIs()
    {
        await using var mesh = await StartAsync(
            AroundRequests + """, "Destinations": { "reviews": { "CircuitBreaker": { "State": "Open" } } } """, static pipeline => pipeline.AddTimeout(TimeSpan.FromSeconds(2)));

        await Assert.ThrowsAsync<CircuitOpenException>(() => mesh.Get());
    }

    [Fact]
    public async Task Request_Fallback_AnswersWhatTheMeshRefuses()
    {
        await using var mesh = await StartAsync(
            AroundRequests + """, "Destinations": { "reviews": { "CircuitBreaker": { "State": "Open" } } } """,
            static pipeline => pipeline.AddFallback(new FallbackStrategyOptions<HttpResponseMessage>
            {
                ShouldHandle = static args => new ValueTask<bool>(args.Outcome.Exception is MeshRejectedException),
                FallbackAction = static _ => Outcome.FromResultAsValueTask(ScriptedEndpoints.Ok("fallback")),
            }));

        using var response = await mesh.Get();

        Assert.Equal("fallback", await response.Content.ReadAsStringAsync(Cancel));
        Assert.Empty(mesh.Endpoints.Attempts);
    }

    [Fact]
    public async Task Request_Hedges_RunAtOnceAndTheLoserIsCancelled()
    {
        await using var mesh = await StartAsync(
            AroundRequests,
            static pipeline => pipeline.AddHedging(new HedgingStrategyOptions<HttpResponseMessage> { Delay = TimeSpan.FromSeconds(1), MaxHedgedAttempts = 1 }));
        mesh.Endpoints.Answer = static (n, attempt) => n == 0 ? attempt.Hang() : Task.FromResult(ScriptedEndpoints.Ok("second"));

        using var response = await mesh.Get();

        Assert.Equal("second", await response.Content.ReadAsStringAsync(Cancel));
        Assert.True(SpinWait.SpinUntil(() => mesh.InFlight == 0, TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public async Task Request_Mirrored_OnceForAllPasses()
    {
        await using var mesh = await StartAsync(
            """
            "Outbound": { "RetryAttempts": 0 },
            "Services": { "reviews": { "Endpoints": [ { "Address": "http://10.0.0.1:8080" } ] }, "shadow": { "Endpoints": [ { "Address": "http://10.0.9.1:8080" } ] } },
            "Routes": { "reviews": [ { "ResiliencePipeline": "own", "Mirror": { "Host": "shadow" }, "Route": [ {} ] } ] }
            """,
            static pipeline => pipeline.AddRetry(Retry(2)),
            hasServices: true);
        mesh.Endpoints.Script(static () => ScriptedEndpoints.Status(503));

        using var response = await mesh.Get();

        var mirrors = mesh.Services.GetRequiredService<MirrorSender>();
        Assert.True(SpinWait.SpinUntil(() => mirrors.Active == 0 && mesh.Endpoints.Attempts.Count >= 4, TimeSpan.FromSeconds(30)));
        Assert.Equal(1, mesh.Endpoints.Attempts.Count(static a => a.Address == "10.0.9.1:8080"));
    }

    [Fact]
    public async Task Pipeline_Strategies_FindTheRequest()
    {
        HttpRequestMessage? found = null;
        await using var mesh = await StartAsync(AroundRequests, pipeline => pipeline.AddRetry(new RetryStrategyOptions<HttpResponseMessage>
        {
            ShouldHandle = args =>
            {
                args.Context.Properties.TryGetValue(new ResiliencePropertyKey<HttpRequestMessage?>("Resilience.Http.RequestMessage"), out found);
                return new ValueTask<bool>(false);
            },
        }));

        (await mesh.Get()).Dispose();

        Assert.Equal("http://reviews/", found!.RequestUri!.ToString());
    }

    private static RetryStrategyOptions<HttpResponseMessage> Retry(int attempts, TimeSpan delay = default) => new()
    {
        MaxRetryAttempts = attempts,
        Delay = delay,
        ShouldHandle = static args => new ValueTask<bool>(
            args.Outcome.Exception is HttpRequestException and not PipelineRejectedException || args.Outcome.Result?.StatusCode == HttpStatusCode.ServiceUnavailable),
    };

    private static DestinationState Destination(TestMesh mesh)
    {
        var service = mesh.Runtime.Current.Find("reviews")!;
        return service.GetDestination(new DestinationKey(service.Name));
    }

    private static Task<TestMesh> StartAsync(
        string more, Action<ResiliencePipelineBuilder<HttpResponseMessage>> configure, ReloadableRules? rules = null, bool hasServices = false) =>
        TestMesh.StartAsync(hasServices ? more : TestMesh.Reviews(more), builder =>
        {
            if (rules is not null)
            {
                ((IConfigurationBuilder)builder.Configuration).Add(rules);
            }

            builder.AddServiceMesh().AddResiliencePipeline("own", configure);
        });

    private sealed class RefusingOptions : ResilienceStrategyOptions;

    private sealed class Refusing(Action? entered = null) : ResilienceStrategy<HttpResponseMessage>
    {
        protected override ValueTask<Outcome<HttpResponseMessage>> ExecuteCore<TState>(
            Func<ResilienceContext, TState, ValueTask<Outcome<HttpResponseMessage>>> callback, ResilienceContext context, TState state)
        {
            entered?.Invoke();
            return Outcome.FromExceptionAsValueTask<HttpResponseMessage>(new InvalidTimeZoneException("refused"));
        }
    }

    private sealed class OneWay(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }
}
