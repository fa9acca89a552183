using System.Net;
using Mesh.Discovery.Runtime;

namespace Mesh.Client.Tests.Pipeline;

public sealed class AdaptiveConcurrencyTests
{
    [Fact]
    public async Task Send_BeyondTheLimit_FailsAtOnceUntilAPlaceIsFree()
    {
        await using var mesh = await Start(""" "MinLimit": 1, "MaxLimit": 1 """);
        using var first = await Headers(mesh);

        var error = await Assert.ThrowsAsync<CircuitOpenException>(() => Headers(mesh));

        Assert.Equal(("reviews.default", "AdaptiveConcurrency", 1), (error.Destination, error.Limit, error.Value));
        first.Dispose();
        using var second = await Headers(mesh);
        Assert.Equal(HttpStatusCode.OK, second.StatusCode);
    }

    [Fact]
    public async Task Send_BeyondTheLimitButCritical_Passes()
    {
        await using var mesh = await Start(""" "MinLimit": 1, "MaxLimit": 1 """);
        using var first = await Headers(mesh);

        using (MeshRequestContext.WithPriority(RequestPriority.Critical))
        {
            using var second = await Headers(mesh);
            Assert.Equal(HttpStatusCode.OK, second.StatusCode);
        }
    }

    [Theory]
    [InlineData("Shadow")]
    [InlineData("Off")]
    public async Task Send_NotEnforced_Passes(string mode)
    {
        await using var mesh = await Start($""" "Mode": "{mode}", "MinLimit": 1, "MaxLimit": 1 """);
        using var first = await Headers(mesh);
        using var second = await Headers(mesh);

        Assert.Equal(HttpStatusCode.OK, second.StatusCode);
        Assert.Equal(mode == "Off", View(mesh).Breaker is null);
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

    private static DestinationView View(TestMesh mesh) =>
        mesh.Runtime.Current.Services.Single().Destinations.Single(static d => d.Key.Subset is null).View;

    private static Task<TestMesh> Start(string concurrency) =>
        TestMesh.StartAsync(TestMesh.Reviews($$""" "Destinations": { "reviews": { "AdaptiveConcurrency": { {{concurrency}} } } } """));

    private static Task<HttpResponseMessage> Headers(TestMesh mesh) =>
        mesh.Http.GetAsync("http://reviews/", HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
}
