using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Http.Headers;
using Mesh.Client.Pipeline;
using Mesh.Client.Telemetry;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;

namespace Mesh.Client.Tests.Pipeline;

public sealed class FaultTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Send_Abort_IsARealResponseAndNeverRetried()
    {
        await using var mesh = await Start(
            """ "Abort": { "Percentage": 100, "HttpStatus": 503 } """,
            """, "Retries": { "Attempts": 3, "RetryOn": "5xx,503" }, "Headers": { "Response": { "Set": { "x-route": "r" } } } """);
        using var faults = Counter(mesh, "mesh.client.faults");
        using var retries = Counter(mesh, "mesh.client.retries");
        var request = new HttpRequestMessage(HttpMethod.Get, "http://reviews/");

        using var response = await mesh.Http.SendAsync(request, Cancel);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal("abort", Mark(response));
        Assert.Equal("r", response.Headers.GetValues("x-route").Single());
        Assert.Same(request, response.RequestMessage);
        Assert.Equal("aborted by a fault of the route", await response.Content.ReadAsStringAsync(Cancel));
        Assert.Empty(mesh.Endpoints.Attempts);
        Assert.Empty(retries.GetMeasurementSnapshot());
        var fault = Assert.Single(faults.GetMeasurementSnapshot());
        Assert.Equal(("reviews.default", "abort"), (fault.Tags["mesh.service"], fault.Tags["mesh.fault"]));
        AssertIdle(mesh);
    }

    [Theory]
    [InlineData("\"GrpcStatus\": \"UNAVAILABLE\"", "14")]
    [InlineData("\"HttpStatus\": 404", "12")]
    [InlineData("\"HttpStatus\": 500", "2")]
    public async Task Send_AbortOfGrpc_IsTrailersOnly(string status, string expected)
    {
        await using var mesh = await Start($$""" "Abort": { "Percentage": 100, {{status}} } """, """, "Retries": { "Attempts": 3, "RetryOn": "unavailable" } """);
        var request = new HttpRequestMessage(HttpMethod.Post, "http://reviews/s/M")
        {
            Version = HttpVersion.Version20,
            Content = new ByteArrayContent([]) { Headers = { ContentType = new MediaTypeHeaderValue("application/grpc") } },
        };

        using var response = await mesh.Http.SendAsync(request, Cancel);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(HttpVersion.Version20, response.Version);
        Assert.Equal("application/grpc", response.Content.Headers.ContentType!.MediaType);
        Assert.Equal(expected, response.Headers.GetValues("grpc-status").Single());
        Assert.Equal("abort", Mark(response));
        Assert.Empty(mesh.Endpoints.Attempts);
    }

    [Fact]
    public async Task Send_GrpcStatusForOtherCalls_IsTheHttpStatusThatItStandsFor()
    {
        await using var mesh = await Start(""" "Abort": { "Percentage": 100, "GrpcStatus": "RESOURCE_EXHAUSTED" } """);

        using var response = await mesh.Http.GetAsync("http://reviews/", Cancel);

        Assert.Equal(HttpStatusCode.TooManyRequests, response.StatusCode);
    }

    [Fact]
    public async Task Send_Delay_IsOnceForAllAttemptsAndMarksTheAnswer()
    {
        await using var mesh = await Start(""" "Delay": { "Percentage": 100, "FixedDelay": "2s" } """);
        mesh.Endpoints.Script(() => ScriptedEndpoints.Status(503), () => ScriptedEndpoints.Ok());
        var call = mesh.Http.GetAsync("http://reviews/", Cancel);

        mesh.Time.Advance(TimeSpan.FromSeconds(1.9));
        Assert.False(call.IsCompleted);
        Assert.Empty(mesh.Endpoints.Attempts);
        Assert.Equal(1, Injector(mesh).Active);

        using var response = await mesh.Finish(call);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("delay", Mark(response));
        Assert.Equal(2, mesh.Endpoints.Attempts.Count);
        Assert.InRange(mesh.Time.GetUtcNow() - new DateTimeOffset(2030, 1, 2, 3, 4, 5, TimeSpan.Zero), TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(3.9));
        AssertIdle(mesh);
    }

    [Fact]
    public async Task Send_DelayAndAbort_TheAbortComesAfterTheDelay()
    {
        await using var mesh = await Start(""" "Delay": { "Percentage": 100, "FixedDelay": "2s" }, "Abort": { "Percentage": 100, "HttpStatus": 418 } """);
        var call = mesh.Http.GetAsync("http://reviews/", Cancel);
        Assert.False(call.IsCompleted);

        mesh.Time.Advance(TimeSpan.FromSeconds(2));

        using var response = await call;
        Assert.Equal(418, (int)response.StatusCode);
        Assert.Equal("delay, abort", Mark(response));
    }

    [Fact]
    public async Task Send_DelayLongerThanTheTimeout_ExceedsTheDeadline()
    {
        await using var mesh = await Start(""" "Delay": { "Percentage": 100, "FixedDelay": "5s" } """, """, "Timeout": "2s" """);
        var call = mesh.Http.GetAsync("http://reviews/", Cancel);

        mesh.Time.Advance(TimeSpan.FromSeconds(1.999));
        Assert.False(call.IsCompleted);
        mesh.Time.Advance(TimeSpan.FromMilliseconds(1));

        var error = await Assert.ThrowsAsync<DeadlineExceededException>(() => call);
        Assert.Contains("injected delay of 5 s", error.Message, StringComparison.Ordinal);
        Assert.Empty(mesh.Endpoints.Attempts);
        AssertIdle(mesh);
    }

    [Fact]
    public async Task Send_Delay_LeavesTheAttemptsWhatIsLeft()
    {
        await using var mesh = await Start(""" "Delay": { "Percentage": 100, "FixedDelay": "3s" } """, """, "Timeout": "4s" """);
        mesh.Endpoints.Answer = static (_, attempt) => attempt.Hang();

        await Assert.ThrowsAsync<DeadlineExceededException>(() => mesh.Get());

        Assert.InRange(mesh.Time.GetUtcNow() - new DateTimeOffset(2030, 1, 2, 3, 4, 5, TimeSpan.Zero), TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(4.9));
        Assert.Single(mesh.Endpoints.Attempts);
        AssertIdle(mesh);
    }

    [Fact]
    public async Task Send_CallerGivesUpDuringTheDelay_IsCancelledAtOnce()
    {
        await using var mesh = await Start(""" "Delay": { "Percentage": 100, "FixedDelay": "5s" } """);
        using var cancel = new CancellationTokenSource();
        var call = mesh.Http.GetAsync("http://reviews/", cancel.Token);

        await cancel.CancelAsync();

        await Assert.ThrowsAsync<TaskCanceledException>(() => call);
        Assert.Empty(mesh.Endpoints.Attempts);
        AssertIdle(mesh);
    }

    [Fact]
    public async Task Send_TooManyFaultsAtOnce_FurtherRequestsGoUnharmed()
    {
        await using var mesh = await Start(
            """ "Delay": { "Percentage": 100, "FixedDelay": "5s" } """, outbound: """, "Outbound": { "MaxActiveFaults": 2 } """);
        using var faults = Counter(mesh, "mesh.client.faults");
        var delayed = new[] { mesh.Http.GetAsync("http://reviews/", Cancel), mesh.Http.GetAsync("http://reviews/", Cancel) };

        using var third = await mesh.Http.GetAsync("http://reviews/", Cancel);

        Assert.False(third.Headers.Contains(FaultInjector.Header));
        Assert.All(delayed, static call => Assert.False(call.IsCompleted));
        Assert.Equal(["delay", "delay", "overflow"], faults.GetMeasurementSnapshot().Select(static m => m.Tags["mesh.fault"]));
        mesh.Time.Advance(TimeSpan.FromSeconds(5));
        foreach (var response in await Task.WhenAll(delayed))
        {
            Assert.Equal("delay", Mark(response));
            response.Dispose();
        }

        AssertIdle(mesh);
    }

    [Fact]
    public async Task Send_SomePercent_ThatShareIsAborted()
    {
        await using var mesh = await Start(""" "Abort": { "Percentage": 12.5, "HttpStatus": 500 } """);
        var aborted = 0;
        for (var i = 0; i < 4000; i++)
        {
            using var response = await mesh.Http.GetAsync("http://reviews/", Cancel);
            Assert.Equal(response.StatusCode == HttpStatusCode.InternalServerError, response.Headers.Contains(FaultInjector.Header));
            aborted += response.StatusCode == HttpStatusCode.OK ? 0 : 1;
        }

        Assert.InRange(aborted / 4000.0, 0.10, 0.15);
        Assert.Equal(4000 - aborted, mesh.Endpoints.Attempts.Count);
    }

    [Theory]
    [InlineData("", 200)]
    [InlineData(", \"Outbound\": { \"HeaderFaults\": true }", 418)]
    public async Task Send_FaultHeader_IsObeyedOnlyIfAllowed(string outbound, int expected)
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews() + outbound);
        var request = new HttpRequestMessage(HttpMethod.Get, "http://reviews/") { Headers = { { "x-envoy-fault-abort-request", "418" } } };

        using var response = await mesh.Http.SendAsync(request, Cancel);

        Assert.Equal(expected, (int)response.StatusCode);
    }

    [Fact]
    public async Task Send_FaultHeaderAndRouteThatAllowsIt_IsObeyed()
    {
        await using var mesh = await Start(""" "HeaderControlled": true """);
        var request = new HttpRequestMessage(HttpMethod.Get, "http://reviews/") { Headers = { { "x-envoy-fault-delay-request", "1500" } } };
        var call = mesh.Http.SendAsync(request, Cancel);
        Assert.False(call.IsCompleted);

        mesh.Time.Advance(TimeSpan.FromMilliseconds(1500));

        using var response = await call;
        Assert.Equal("delay", Mark(response));
    }

    [Fact]
    public async Task Send_Fault_IsATagOfTheSpan()
    {
        await using var mesh = await Start(""" "Abort": { "Percentage": 100, "HttpStatus": 503 } """);
        using var caller = new Activity("caller").Start();
        Activity? span = null;
        using var listener = Listen(activity => span = activity.TraceId == caller.TraceId ? activity : span);

        using var response = await mesh.Http.GetAsync("http://reviews/", Cancel);

        Assert.Equal("abort", span!.GetTagItem("mesh.fault"));
        Assert.Equal(503, span.GetTagItem("http.response.status_code"));
    }

    internal static ActivityListener Listen(Action<Activity> stopped)
    {
        var listener = new ActivityListener
        {
            ShouldListenTo = static source => source.Name == MeshClientTelemetry.Name,
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = stopped,
        };
        ActivitySource.AddActivityListener(listener);
        return listener;
    }

    internal static MetricCollector<long> Counter(TestMesh mesh, string name) =>
        new(mesh.Services.GetRequiredService<IMeterFactory>(), MeshClientTelemetry.Name, name);

    private static Task<TestMesh> Start(string fault, string route = "", string outbound = "") => TestMesh.StartAsync(
        TestMesh.Reviews($$""" "Routes": { "reviews": [ { "Route": [ {} ], "Fault": { {{fault}} } {{route}} } ] } {{outbound}} """));

    private static FaultInjector Injector(TestMesh mesh) => mesh.Services.GetRequiredService<FaultInjector>();

    private static string Mark(HttpResponseMessage response) => response.Headers.GetValues("x-mesh-fault").Single();

    private static void AssertIdle(TestMesh mesh)
    {
        Assert.Equal(0, Injector(mesh).Active);
        Assert.Equal(0, mesh.InFlight);
    }
}
