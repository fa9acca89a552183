using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using Mesh.Client.Pipeline;
using Mesh.Client.Telemetry;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;

namespace Mesh.Client.Tests.Pipeline;

public sealed class MirrorTests
{
    private const string Shadow = "10.0.9.1:8080";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Send_Mirrored_TheCopyIsMarkedAndTheOriginalUnchanged()
    {
        await using var test = await Test.StartAsync(
            """ "Mirror": { "Host": "shadow" }, "Rewrite": { "Uri": "/v1/" }, "Headers": { "Request": { "Set": { "x-route": "r" } } } """);
        var request = new HttpRequestMessage(HttpMethod.Post, "http://reviews:81/a?q=1")
        {
            Content = new StringContent("body", Encoding.UTF8, "text/x-test"),
            Headers = { { "x-own", ["1", "2"] } },
        };
        var key = new HttpRequestOptionsKey<string>("own");
        request.Options.Set(key, "option");

        using var response = await test.Mesh.Http.SendAsync(request, Cancel);

        Assert.Equal("original", await response.Content.ReadAsStringAsync(Cancel));
        var copy = await test.NextCopyAsync();
        Assert.Equal("http://reviews:81/v1/?q=1", copy.Uri.ToString());
        Assert.Equal("reviews-shadow:81", copy.Request.Headers.Host);
        Assert.Equal(["body", "body"], test.Bodies);
        Assert.Contains("x-mesh-shadow: true", copy.Headers, StringComparison.Ordinal);
        Assert.Contains("x-route: r", copy.Headers, StringComparison.Ordinal);
        Assert.Contains("x-own: 1, 2", copy.Headers, StringComparison.Ordinal);
        Assert.True(copy.Request.Options.TryGetValue(key, out var option) && option == "option");
        Assert.Null(request.Headers.Host);
        var original = test.Mesh.Endpoints.Attempts.Single(static a => a.Address != Shadow);
        Assert.DoesNotContain("x-mesh-shadow", original.Headers, StringComparison.Ordinal);
        Assert.NotSame(copy.Request.Content, original.Request.Content);
        await test.IdleAsync();
    }

    [Fact]
    public async Task Send_BreakerOfTheMirrorIsOpen_NoCopyIsSent()
    {
        await using var test = await Test.StartAsync(
            """ "Mirror": { "Host": "shadow" } """, more: """ }, "Destinations": { "shadow": { "CircuitBreaker": { "State": "Open" } } """);
        using var skipped = FaultTests.Counter(test.Mesh, "mesh.client.mirror.skipped");

        using var response = await test.Mesh.Http.GetAsync("http://reviews/", Cancel);

        await test.IdleAsync();
        Assert.Equal("circuit", Assert.Single(skipped.GetMeasurementSnapshot()).Tags["mesh.reason"]);
        Assert.Single(test.Mesh.Endpoints.Attempts);
    }

    [Fact]
    public async Task Send_MirrorHangs_TheOriginalDoesNotWaitAndTheTimeLimitEndsIt()
    {
        await using var test = await Test.StartAsync(""" "Mirror": { "Host": "shadow" } """, """ "MirrorTimeout": "3s" """);
        test.OnCopy = static attempt => attempt.Hang();
        using var durations = test.Durations();

        using var response = await test.Mesh.Http.GetAsync("http://reviews/", Cancel);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        await test.NextCopyAsync();
        Assert.Equal(1, test.Sender.Active);

        await test.IdleAsync(advance: TimeSpan.FromSeconds(1));
        Assert.Equal(typeof(TaskCanceledException).FullName, Assert.Single(durations.GetMeasurementSnapshot()).Tags["error.type"]);
        Assert.Equal(0, test.Mesh.InFlight);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_MirrorFails_TheOriginalHearsNothingAndNothingIsRetried(bool throws)
    {
        await using var test = await Test.StartAsync(""" "Mirror": { "Host": "shadow" } """);
        test.OnCopy = _ => throws ? throw ScriptedEndpoints.ConnectFailure() : Task.FromResult(ScriptedEndpoints.Status(503));
        using var durations = test.Durations();
        using var requests = new MetricCollector<double>(
            test.Mesh.Services.GetRequiredService<IMeterFactory>(), MeshClientTelemetry.Name, "mesh.client.request.duration");

        using var response = await test.Mesh.Http.GetAsync("http://reviews/", Cancel);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        await test.NextCopyAsync();
        await test.IdleAsync();
        Assert.Single(test.Mesh.Endpoints.Attempts, static a => a.Address == Shadow);
        var duration = Assert.Single(durations.GetMeasurementSnapshot());
        Assert.Equal("shadow.default", duration.Tags["mesh.service"]);
        Assert.Equal(throws ? typeof(HttpRequestException).FullName : null, duration.Tags.GetValueOrDefault("error.type"));
        Assert.Equal("reviews.default", Assert.Single(requests.GetMeasurementSnapshot()).Tags["mesh.service"]);
    }

    [Fact]
    public async Task Send_CallerCancels_TheCopyGoesOn()
    {
        await using var test = await Test.StartAsync(""" "Mirror": { "Host": "shadow" } """);
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        test.OnOriginal = static attempt => attempt.Hang();
        test.OnCopy = async attempt =>
        {
            await release.Task;
            attempt.Cancel.ThrowIfCancellationRequested();
            return ScriptedEndpoints.Ok();
        };
        using var durations = test.Durations();
        using var cancel = new CancellationTokenSource();
        var request = new HttpRequestMessage(HttpMethod.Post, "http://reviews/") { Content = new StringContent("body") };
        var call = test.Mesh.Http.SendAsync(request, cancel.Token);
        await test.NextCopyAsync();

        await cancel.CancelAsync();
        await Assert.ThrowsAsync<TaskCanceledException>(() => call);
        request.Dispose();
        release.SetResult();

        await test.IdleAsync();
        Assert.Equal(200, Assert.Single(durations.GetMeasurementSnapshot()).Tags["http.response.status_code"]);
    }

    [Fact]
    public async Task Send_SeveralMirrors_EachHasItsOwnShare()
    {
        await using var test = await Test.StartAsync(
            """ "Mirrors": [ { "Host": "shadow", "Percentage": 20 }, { "Host": "other", "Percentage": 60 } ] """, """ "MaxActiveMirrors": 100000 """);
        const int Calls = 2000;
        for (var i = 0; i < Calls; i++)
        {
            using var response = await test.Mesh.Http.GetAsync("http://reviews/", Cancel);
        }

        await test.IdleAsync();
        var byAddress = test.Mesh.Endpoints.Attempts.GroupBy(static a => a.Address).ToDictionary(static g => g.Key, static g => g.Count());
        Assert.InRange(byAddress[Shadow] / (double)Calls, 0.16, 0.24);
        Assert.InRange(byAddress["10.0.9.2:8080"] / (double)Calls, 0.55, 0.65);
        Assert.Equal(Calls, byAddress.Where(static pair => pair.Key.StartsWith("10.0.0.", StringComparison.Ordinal)).Sum(static pair => pair.Value));
    }

    [Fact]
    public async Task Send_Retried_IsMirroredOnce()
    {
        await using var test = await Test.StartAsync(""" "Mirror": { "Host": "shadow" } """);
        var calls = 0;
        test.OnOriginal = _ => Task.FromResult(Interlocked.Increment(ref calls) < 3 ? ScriptedEndpoints.Status(503) : ScriptedEndpoints.Ok());

        using var response = await test.Mesh.Get();

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        await test.IdleAsync();
        Assert.Equal(3, calls);
        Assert.Single(test.Mesh.Endpoints.Attempts, static a => a.Address == Shadow);
    }

    [Fact]
    public async Task Send_MirrorHasRoutesOfItsOwn_TheyDoNotHoldForCopies()
    {
        await using var test = await Test.StartAsync(
            """ "Mirror": { "Host": "shadow" } """,
            more: """, "shadow": [ { "Route": [ {} ], "Fault": { "Abort": { "Percentage": 100, "HttpStatus": 500 } }, "Mirror": { "Host": "shadow" } } ] """);

        using var response = await test.Mesh.Http.GetAsync("http://reviews/", Cancel);

        await test.NextCopyAsync();
        await test.IdleAsync();
        Assert.Single(test.Mesh.Endpoints.Attempts, static a => a.Address == Shadow);
    }

    [Fact]
    public async Task Send_Aborted_IsNotMirrored()
    {
        await using var test = await Test.StartAsync(
            """ "Mirror": { "Host": "shadow" }, "Fault": { "Abort": { "Percentage": 100, "HttpStatus": 500 } } """);

        using var response = await test.Mesh.Http.GetAsync("http://reviews/", Cancel);

        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        Assert.Empty(test.Mesh.Endpoints.Attempts);
        Assert.Equal(0, test.Sender.Active);
    }

    [Theory]
    [InlineData("bytes", 64 * 1024, true)]
    [InlineData("bytes", (64 * 1024) + 1, false)]
    [InlineData("stream", 1000, true)]
    [InlineData("stream", 100_000, false)]
    [InlineData("one way", 10, false)]
    [InlineData("json", 1000, true)]
    [InlineData("json", 100_000, false)]
    public async Task Send_Body_IsCopiedIfSmallAndReplayable(string kind, int length, bool expected)
    {
        await using var test = await Test.StartAsync(""" "Mirror": { "Host": "shadow" } """);
        using var skipped = FaultTests.Counter(test.Mesh, "mesh.client.mirror.skipped");
        var bytes = Encoding.ASCII.GetBytes(new string('x', length));
        HttpContent content = kind switch
        {
            "bytes" => new ByteArrayContent(bytes),
            "stream" => new StreamContent(new MemoryStream(bytes)),
            "one way" => new StreamContent(new OneWayStream(bytes)),
            _ => JsonContent.Create(new { text = new string('x', length) }),
        };

        using var response = await test.Mesh.Post(content);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        await test.IdleAsync();
        Assert.Equal(expected ? 2 : 1, test.Bodies.Count);
        Assert.All(test.Bodies, body => Assert.Equal(kind == "json" ? length + "{\"text\":\"\"}".Length : length, body.Length));
        Assert.Equal(expected ? [] : ["body"], skipped.GetMeasurementSnapshot().Select(static m => m.Tags["mesh.reason"]));
    }

    [Fact]
    public async Task Send_BodyCannotBeTotalTheOriginalTellsOfIt()
    {
        await using var test = await Test.StartAsync(""" "Mirror": { "Host": "shadow" } """);
        using var skipped = FaultTests.Counter(test.Mesh, "mesh.client.mirror.skipped");

        var error = await Assert.ThrowsAnyAsync<Exception>(() => test.Mesh.Post(JsonContent.Create(new Unwritable())));

        Assert.DoesNotContain(nameof(MirrorRequest), error.ToString(), StringComparison.Ordinal);
        Assert.Equal("error", Assert.Single(skipped.GetMeasurementSnapshot()).Tags["mesh.reason"]);
        Assert.Contains(test.Mesh.Logs.GetSnapshot(), static record => record.Id.Id == 205);
        Assert.Equal(0, test.Sender.Active);
    }

    [Fact]
    public async Task Send_TooManyCopiesUnderWay_FurtherOnesAreLeftOut()
    {
        await using var test = await Test.StartAsync(""" "Mirror": { "Host": "shadow" } """, """ "MaxActiveMirrors": 2 """);
        using var skipped = FaultTests.Counter(test.Mesh, "mesh.client.mirror.skipped");
        test.OnCopy = static attempt => attempt.Hang();
        for (var i = 0; i < 5; i++)
        {
            using var response = await test.Mesh.Http.GetAsync("http://reviews/", Cancel);
        }

        Assert.Equal(2, test.Sender.Active);
        Assert.Equal(["limit", "limit", "limit"], skipped.GetMeasurementSnapshot().Select(static m => m.Tags["mesh.reason"]));
        await test.IdleAsync(advance: TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task Send_MirrorHasNoEndpoint_IsLeftOut()
    {
        await using var test = await Test.StartAsync(""" "Mirror": { "Host": "nobody" } """);
        using var skipped = FaultTests.Counter(test.Mesh, "mesh.client.mirror.skipped");

        using var response = await test.Mesh.Http.GetAsync("http://reviews/", Cancel);

        await test.IdleAsync();
        Assert.Equal("no_endpoint", Assert.Single(skipped.GetMeasurementSnapshot()).Tags["mesh.reason"]);
    }

    [Fact]
    public async Task Send_EndlessAnswer_IsCutOff()
    {
        await using var test = await Test.StartAsync(""" "Mirror": { "Host": "shadow" } """);
        var endless = new EndlessStream();
        test.OnCopy = _ => Task.FromResult(new HttpResponseMessage { Content = new StreamContent(endless) });

        using var response = await test.Mesh.Http.GetAsync("http://reviews/", Cancel);

        await test.NextCopyAsync();
        await test.IdleAsync();
        Assert.InRange(endless.Total, 1024 * 1024, 1024 * 1024 + 4096);
        Assert.True(endless.IsDisposed);
        Assert.Equal(0, test.Mesh.InFlight);
    }

    [Fact]
    public async Task Dispose_CopiesUnderWay_AreCancelledAndGone()
    {
        var test = await Test.StartAsync(""" "Mirror": { "Host": "shadow" } """);
        test.OnCopy = static attempt => attempt.Hang();
        var (sender, endpoints) = (test.Sender, test.Mesh.Runtime.Current.Services.SelectMany(static s => s.Endpoints).ToArray());
        using (await test.Mesh.Http.GetAsync("http://reviews/", Cancel))
        {
            await test.NextCopyAsync();
        }

        Assert.Equal(1, sender.Active);
        await test.DisposeAsync();

        Assert.Equal(0, sender.Active);
        Assert.All(endpoints, static endpoint => Assert.Equal(0, endpoint.InFlight));
    }

    [Fact]
    public async Task Send_Traced_TheCopyHasAChildSpanOfItsOwn()
    {
        await using var test = await Test.StartAsync(""" "Mirror": { "Host": "shadow" } """);
        using var caller = new Activity("caller").Start();
        var spans = new ConcurrentDictionary<string, Activity>();
        using var listener = FaultTests.Listen(activity =>
        {
            if (activity.TraceId == caller.TraceId)
            {
                spans[activity.OperationName] = activity;
            }
        });

        using var response = await test.Mesh.Http.GetAsync("http://reviews/", Cancel);

        await test.NextCopyAsync();
        await test.IdleAsync();
        var shadow = spans["mesh shadow shadow.default"];
        Assert.Equal(spans["mesh reviews.default"].SpanId, shadow.ParentSpanId);
        Assert.Equal("shadow.default", shadow.GetTagItem("mesh.destination"));
        Assert.Equal(200, shadow.GetTagItem("http.response.status_code"));
    }

    [Theory]
    [InlineData("reviews", "reviews-shadow")]
    [InlineData("reviews.prod:8080", "reviews.prod-shadow:8080")]
    [InlineData("10.0.0.1:80", "10.0.0.1-shadow:80")]
    [InlineData("[::1]:80", "[::1]:80")]
    public void Shadow_Host_KeepsThePort(string host, string expected) => Assert.Equal(expected, MirrorRequest.Shadow(host));

    /// <summary>Calls to <c>reviews</c> with mirrors <c>shadow</c> and <c>other</c>.</summary>
    private sealed class Test : IAsyncDisposable
    {
        private readonly SemaphoreSlim _copies = new(0);
        private readonly ConcurrentQueue<ScriptedEndpoints.Attempt> _copied = new();

        private Test(TestMesh mesh)
        {
            Mesh = mesh;
            mesh.Endpoints.Answer = async (_, attempt) =>
            {
                if (attempt.Request.Content is { } content)
                {
                    Bodies.Enqueue(await content.ReadAsStringAsync(attempt.Cancel));
                }

                if (attempt.Address.StartsWith("10.0.0.", StringComparison.Ordinal))
                {
                    return await OnOriginal(attempt);
                }

                _copied.Enqueue(attempt);
                _copies.Release();
                return await OnCopy(attempt);
            };
        }

        public TestMesh Mesh { get; }

        public ConcurrentQueue<string> Bodies { get; } = new();

        public Func<ScriptedEndpoints.Attempt, Task<HttpResponseMessage>> OnOriginal { get; set; } =
            static _ => Task.FromResult(ScriptedEndpoints.Ok("original"));

        public Func<ScriptedEndpoints.Attempt, Task<HttpResponseMessage>> OnCopy { get; set; } =
            static _ => Task.FromResult(ScriptedEndpoints.Ok("copy"));

        public MirrorSender Sender => Mesh.Services.GetRequiredService<MirrorSender>();

        public static async Task<Test> StartAsync(string route, string outbound = "", string more = "") => new(await TestMesh.StartAsync(
            $$"""
            "Services": {
              "reviews": { "Endpoints": [ { "Address": "http://10.0.0.1:8080" }, { "Address": "http://10.0.0.2:8080" } ] },
              "shadow": { "Endpoints": [ { "Address": "http://10.0.9.1:8080" } ] },
              "other": { "Endpoints": [ { "Address": "http://10.0.9.2:8080" } ] } },
            "Routes": { "reviews": [ { "Route": [ {} ], {{route}} } ] {{more}} },
            "Outbound": { {{outbound}} }
            """));

        public MetricCollector<double> Durations() =>
            new(Mesh.Services.GetRequiredService<IMeterFactory>(), MeshClientTelemetry.Name, "mesh.client.mirror.duration");

        public async Task<ScriptedEndpoints.Attempt> NextCopyAsync()
        {
            await _copies.WaitAsync(Cancel);
            Assert.True(_copied.TryDequeue(out var attempt));
            return attempt;
        }

        /// <summary>Until no copy is under way.</summary>
        public async Task IdleAsync(TimeSpan advance = default)
        {
            while (Sender.Active > 0)
            {
                Mesh.Time.Advance(advance);
                await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, Cancel);
            }
        }

        public ValueTask DisposeAsync() => Mesh.DisposeAsync();
    }

    private sealed class Unwritable
    {
        public string Text => throw new InvalidOperationException("cannot be written");
    }

    private sealed class EndlessStream : MemoryStream
    {
        public long Total { get; private set; }

        public bool IsDisposed { get; private set; }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Total += buffer.Length;
            return ValueTask.FromResult(buffer.Length);
        }

        protected override void Dispose(bool disposing)
        {
            IsDisposed = true;
            base.Dispose(disposing);
        }
    }
}
