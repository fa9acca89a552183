using System.Diagnostics;
using System.Diagnostics.Metrics;
using Mesh.Client.Telemetry;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;

namespace Mesh.Client.Tests.Telemetry;

public sealed class MeshClientTelemetryTests
{
    private const string Routes =
        """
        "Routes": { "reviews": [
          { "Match": [ { "Uri": { "Exact": "/direct" } } ], "DirectResponse": { "Status": 418 } },
          { "Match": [ { "Uri": { "Prefix": "/a" } } ], "Name": "a", "Route": [ { } ] } ] }
        """;

    [Fact]
    public async Task Send_Retried_IsOneRequestWithTwoRetries()
    {
        await using var mesh = await TestMesh.StartAsync();
        using var durations = Durations(mesh);
        using var retries = new MetricCollector<long>(mesh.Services.GetRequiredService<IMeterFactory>(), MeshClientTelemetry.Name, "mesh.client.retries");
        mesh.Endpoints.Script(() => ScriptedEndpoints.Status(503));

        using var response = await mesh.Get();

        var duration = Assert.Single(durations.GetMeasurementSnapshot());
        Assert.Equal("reviews.default", duration.Tags["mesh.service"]);
        Assert.Equal("GET", duration.Tags["http.request.method"]);
        Assert.Equal(503, duration.Tags["http.response.status_code"]);

        // Both pauses, each half of what it may be.
        Assert.InRange(duration.Value, 0.0125 + 0.025, 5);
        Assert.Equal(2, retries.GetMeasurementSnapshot().Sum(static m => m.Value));
    }

    [Theory]
    [InlineData("/direct", null)]
    [InlineData("/a", null)]
    [InlineData("/nowhere", typeof(NoRouteException))]
    [InlineData("/a/reset", typeof(HttpRequestException))]
    [InlineData("/a/hang", typeof(DeadlineExceededException))]
    [InlineData("/a/bug", typeof(InvalidOperationException))]
    public async Task Send_AnyEnd_IsMeasuredOnce(string path, Type? error)
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(Routes));
        using var durations = Durations(mesh);
        mesh.Endpoints.Answer = static (_, attempt) => attempt.Uri.AbsolutePath switch
        {
            "/a/reset" => throw ScriptedEndpoints.Reset(),
            "/a/hang" => attempt.Hang(),
            "/a/bug" => throw new InvalidOperationException(),
            _ => Task.FromResult(ScriptedEndpoints.Ok()),
        };

        if (error is null)
        {
            using var response = await mesh.Get("http://reviews" + path);
        }
        else
        {
            await Assert.ThrowsAsync(error, () => mesh.Get("http://reviews" + path));
        }

        var duration = Assert.Single(durations.GetMeasurementSnapshot());
        Assert.Equal(error?.FullName, duration.Tags.GetValueOrDefault("error.type"));
        Assert.Equal(error is null, duration.Tags.ContainsKey("http.response.status_code"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_CallerCancels_IsMeasuredOnce(bool duringPause)
    {
        await using var mesh = await TestMesh.StartAsync();
        using var durations = Durations(mesh);
        mesh.Endpoints.Answer = (_, attempt) => duringPause ? Task.FromResult(ScriptedEndpoints.Status(503)) : attempt.Hang();
        using var cancel = new CancellationTokenSource();
        var call = mesh.Http.GetAsync("http://reviews/", cancel.Token);

        await cancel.CancelAsync();

        await Assert.ThrowsAsync<TaskCanceledException>(() => call);
        Assert.Equal(typeof(TaskCanceledException).FullName, Assert.Single(durations.GetMeasurementSnapshot()).Tags["error.type"]);
    }

    [Fact]
    public async Task Send_NoEndpoint_IsMeasuredOnce()
    {
        await using var mesh = await TestMesh.StartAsync(""" "Routes": { "reviews": [ { "Route": [ { } ] } ] } """);
        using var durations = Durations(mesh);

        await Assert.ThrowsAsync<NoHealthyEndpointException>(() => mesh.Get());

        Assert.Equal(typeof(NoHealthyEndpointException).FullName, Assert.Single(durations.GetMeasurementSnapshot()).Tags["error.type"]);
    }

    [Fact]
    public async Task Send_Listened_HasASpanThatTellsRouteDestinationAndRetries()
    {
        var spans = new List<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = static source => source.Name == MeshClientTelemetry.Name,
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = activity =>
            {
                lock (spans)
                {
                    spans.Add(activity);
                }
            },
        };
        ActivitySource.AddActivityListener(listener);
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(Routes));
        mesh.Endpoints.Script(() => throw ScriptedEndpoints.ConnectFailure(), () => ScriptedEndpoints.Ok());
        using var parent = new Activity("caller").Start();

        using var response = await mesh.Get("http://reviews/a");
        await Assert.ThrowsAsync<NoRouteException>(() => mesh.Get("http://reviews/nowhere"));

        Activity[] own;
        lock (spans)
        {
            own = [.. spans.Where(s => s.TraceId == parent.TraceId)];
        }

        Assert.Equal(2, own.Length);
        Assert.Equal("mesh reviews.default", own[0].DisplayName);
        Assert.Equal("reviews.default", own[0].GetTagItem("mesh.service"));
        Assert.Equal("a", own[0].GetTagItem("mesh.route"));
        Assert.Equal("reviews.default", own[0].GetTagItem("mesh.destination"));
        Assert.Equal(200, own[0].GetTagItem("http.response.status_code"));
        Assert.Equal("retry", Assert.Single(own[0].Events).Name);
        Assert.Equal(ActivityStatusCode.Error, own[1].Status);
        Assert.Equal(typeof(NoRouteException).FullName, own[1].GetTagItem("error.type"));
        Assert.Same(parent, Activity.Current);
    }

    private static MetricCollector<double> Durations(TestMesh mesh) =>
        new(mesh.Services.GetRequiredService<IMeterFactory>(), MeshClientTelemetry.Name, "mesh.client.request.duration");
}
