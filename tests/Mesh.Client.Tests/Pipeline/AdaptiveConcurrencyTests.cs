using System.Net;
using Mesh.Discovery.Runtime;

namespace Mesh.Client.Tests.Pipeline;

public sealed class AdaptiveConcurrencyTests
{
    [Fact]
    public async Task Send_BeyondTheLimit_FailsAtOnceUntilAPlaceIsFree()
    {
        await using var mesh = await Start(""" "MinLimit": 1, "MaxLimit": 1 """);
        var gate = HoldFirst(mesh);
        var first = Headers(mesh);

        var error = await Assert.ThrowsAsync<CircuitOpenException>(() => Headers(mesh));

        Assert.Equal(("reviews.default", "AdaptiveConcurrency", 1), (error.Destination, error.Limit, error.Value));
        gate.SetResult();
        using var response = await first;
        using var second = await Headers(mesh);
        Assert.Equal(HttpStatusCode.OK, second.StatusCode);
    }

    /// <summary>Else as many streams as the limit refuse everything for as long as they last, and nothing moves the limit.</summary>
    [Fact]
    public async Task Send_WhileStreamsAreRead_Passes()
    {
        await using var mesh = await Start(""" "MinLimit": 1, "MaxLimit": 1 """);
        var breaker = View(mesh).Breaker!;
        var streams = new List<HttpResponseMessage>();
        for (var i = 0; i < 5; i++)
        {
            streams.Add(await Headers(mesh));
        }

        Assert.Equal((5, 0), (breaker.InFlight, breaker.Unanswered));
        streams.ForEach(static stream => stream.Dispose());
        Assert.Equal((0, 0), (breaker.InFlight, breaker.Unanswered));
    }

    [Fact]
    public async Task Send_FailsOrHasNoBody_LeavesNothingInFlight()
    {
        await using var mesh = await Start(""" "MinLimit": 1, "MaxLimit": 1 """);
        var breaker = View(mesh).Breaker!;
        mesh.Endpoints.Answer = static (n, _) => n < 3
            ? throw ScriptedEndpoints.ConnectFailure()
            : Task.FromResult(new HttpResponseMessage(HttpStatusCode.NoContent));

        await Assert.ThrowsAsync<HttpRequestException>(() => mesh.Finish(Headers(mesh)));
        Assert.Equal((0, 0), (breaker.InFlight, breaker.Unanswered));

        using var response = await Headers(mesh);
        Assert.Equal((0, 0), (breaker.InFlight, breaker.Unanswered));
    }

    [Fact]
    public async Task Send_BeyondTheLimitButCritical_Passes()
    {
        await using var mesh = await Start(""" "MinLimit": 1, "MaxLimit": 1 """);
        var gate = HoldFirst(mesh);
        var first = Headers(mesh);

        using (MeshRequestContext.WithPriority(RequestPriority.Critical))
        {
            using var second = await Headers(mesh);
            Assert.Equal(HttpStatusCode.OK, second.StatusCode);
        }

        gate.SetResult();
        (await first).Dispose();
    }

    [Theory]
    [InlineData("Shadow")]
    [InlineData("Off")]
    public async Task Send_NotEnforced_Passes(string mode)
    {
        await using var mesh = await Start($""" "Mode": "{mode}", "MinLimit": 1, "MaxLimit": 1 """);
        var gate = HoldFirst(mesh);
        var first = Headers(mesh);
        using var second = await Headers(mesh);

        Assert.Equal(HttpStatusCode.OK, second.StatusCode);
        Assert.Equal(mode == "Off", View(mesh).Breaker is null);
        gate.SetResult();
        (await first).Dispose();
    }

    [Fact]
    public async Task Send_Responses_TeachTheLimitHowLongTheyTake()
    {
        await using var mesh = await Start(""" "Window": "10ms" """);
        mesh.Endpoints.Script([.. Enumerable.Repeat<Func<HttpResponseMessage>>(
            () =>
            {
                mesh.Time.Advance(TimeSpan.FromMilliseconds(20));
                return ScriptedEndpoints.Ok();
            },
            40)]);

        for (var i = 0; i < 40; i++)
        {
            using var response = await Headers(mesh);
        }

        Assert.InRange(View(mesh).Breaker!.Adaptive!.Baseline.TotalMilliseconds, 19.9, 20.1);
    }

    /// <summary>The first attempt is answered only when the result is set.</summary>
    private static TaskCompletionSource HoldFirst(TestMesh mesh)
    {
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        mesh.Endpoints.Answer = async (n, _) =>
        {
            await (n == 0 ? gate.Task : Task.CompletedTask);
            return ScriptedEndpoints.Ok();
        };
        return gate;
    }

    private static DestinationView View(TestMesh mesh) =>
        mesh.Runtime.Current.Services.Single().Destinations.Single(static d => d.Key.Subset is null).View;

    private static Task<TestMesh> Start(string concurrency) =>
        TestMesh.StartAsync(TestMesh.Reviews($$""" "Destinations": { "reviews": { "AdaptiveConcurrency": { {{concurrency}} } } } """));

    private static Task<HttpResponseMessage> Headers(TestMesh mesh) =>
        mesh.Http.GetAsync("http://reviews/", HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
}
