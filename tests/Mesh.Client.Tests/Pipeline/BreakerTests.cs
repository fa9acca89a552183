using System.IO.Pipelines;
using System.Net;
using Mesh.Discovery.Runtime;

namespace Mesh.Client.Tests.Pipeline;

public sealed class BreakerTests
{
    [Fact]
    public async Task Send_OneMoreThanMaxRequests_IsRefusedUntilABodyIsRead()
    {
        await using var mesh = await Start(""" "MaxRequests": 2 """);
        var first = await Headers(mesh);
        using var second = await Headers(mesh);

        var error = await Assert.ThrowsAsync<CircuitOpenException>(() => Headers(mesh));

        Assert.Equal(("reviews.default", "MaxRequests", 2), (error.Destination, error.Limit, error.Value));
        Assert.Contains("GET http://reviews/: the destination reviews.default has reached its limit MaxRequests = 2", error.Message, StringComparison.Ordinal);
        Assert.Equal(2, mesh.Endpoints.Attempts.Count);
        Assert.Equal(2, InUse(mesh));

        await first.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        using var third = await Headers(mesh);
        Assert.Equal(HttpStatusCode.OK, third.StatusCode);
    }

    [Fact]
    public async Task Send_MoreThanConnectionsAndPending_IsRefused()
    {
        await using var mesh = await Start(""" "MaxConnections": 1, "MaxPendingRequests": 1 """);
        var responses = new List<HttpResponseMessage>();
        for (var i = 0; i < 4; i++)
        {
            responses.Add(await Headers(mesh));
        }

        var error = await Assert.ThrowsAsync<CircuitOpenException>(() => Headers(mesh));

        Assert.Equal(("MaxPendingRequests", 1), (error.Limit, error.Value));
        responses.ForEach(static response => response.Dispose());
        Assert.Equal(0, InUse(mesh));
    }

    [Fact]
    public async Task Send_Retries_HoldOnePlaceAllTheWay()
    {
        await using var mesh = await Start(""" "MaxRequests": 1 """);
        mesh.Endpoints.Script(static () => ScriptedEndpoints.Status(503), static () => throw ScriptedEndpoints.ConnectFailure(), static () => ScriptedEndpoints.Ok());
        var call = mesh.Http.GetAsync("http://reviews/", TestContext.Current.CancellationToken);

        // In the pause between attempts.
        Assert.Equal((0, 1), (mesh.InFlight, InUse(mesh)));
        await Assert.ThrowsAsync<CircuitOpenException>(() => mesh.Http.GetAsync("http://reviews/", TestContext.Current.CancellationToken));

        using var response = await mesh.Finish(call);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(0, InUse(mesh));
    }

    [Fact]
    public async Task Send_MaxRetriesUnderWay_TheNextOneGetsItsFailure()
    {
        await using var mesh = await Start(""" "MaxRetries": 1 """);
        mesh.Endpoints.Script(static () => ScriptedEndpoints.Status(503));
        var first = mesh.Http.GetAsync("http://reviews/", TestContext.Current.CancellationToken);

        using var second = await mesh.Http.GetAsync("http://reviews/", TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, second.StatusCode);
        Assert.Equal(2, mesh.Endpoints.Attempts.Count);
        (await mesh.Finish(first)).Dispose();
        Assert.Equal(0, Destination(mesh).Retries.Active);
    }

    [Theory]
    [InlineData("connect")]
    [InlineData("reset")]
    [InlineData("bug")]
    [InlineData("body")]
    [InlineData("unread")]
    [InlineData("redirect")]
    [InlineData("empty")]
    [InlineData("timeout")]
    [InlineData("cancel")]
    [InlineData("cancel in pause")]
    [InlineData("retired")]
    public async Task Send_HoweverItEnds_NothingIsLeftBehind(string end)
    {
        await using var mesh = await Start(""" "MaxRequests": 1, "MaxRetries": 1 """);
        using var cancel = new CancellationTokenSource();
        mesh.Endpoints.Answer = (n, attempt) => end switch
        {
            "connect" => throw ScriptedEndpoints.ConnectFailure(),
            "reset" => throw ScriptedEndpoints.Reset(),
            "bug" => throw new InvalidOperationException(),
            "body" => Task.FromResult(Broken()),
            "redirect" when n < 3 => Task.FromResult(new HttpResponseMessage(HttpStatusCode.Found) { Headers = { Location = new Uri("http://reviews/next") } }),
            "empty" => Task.FromResult(new HttpResponseMessage()),
            "timeout" => attempt.Hang(),
            "cancel" => attempt.Hang(),
            "cancel in pause" => Task.FromResult(ScriptedEndpoints.Status(503)),
            "retired" => throw new ObjectDisposedException("handler"),
            _ => Task.FromResult(ScriptedEndpoints.Ok()),
        };

        for (var i = 0; i < 3; i++)
        {
            var call = mesh.Http.GetAsync(
                "http://reviews/", end is "unread" or "body" ? HttpCompletionOption.ResponseHeadersRead : HttpCompletionOption.ResponseContentRead, cancel.Token);
            if (end.StartsWith("cancel", StringComparison.Ordinal))
            {
                await cancel.CancelAsync();
            }

            try
            {
                using var response = await mesh.Finish(call, stepMs: 500);
                if (end == "body")
                {
                    await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken);
                }
            }
            catch (Exception e)
            {
                Assert.IsNotType<CircuitOpenException>(e);
            }

            Assert.Equal((0, 0, 0), (mesh.InFlight, InUse(mesh), Destination(mesh).Retries.Active));
        }
    }

    private static HttpResponseMessage Broken()
    {
        var pipe = new Pipe();
        pipe.Writer.Complete(new IOException("broken"));
        return new HttpResponseMessage { Content = new StreamContent(pipe.Reader.AsStream()) };
    }

    private static Task<TestMesh> Start(string pool) => TestMesh.StartAsync(TestMesh.Reviews(
        $$""" "Destinations": { "reviews": { "ConnectionPool": { {{pool}} } } } """));

    private static DestinationState Destination(TestMesh mesh)
    {
        var service = mesh.Runtime.Current.Find("reviews")!;
        return service.GetDestination(new DestinationKey(service.Name));
    }

    private static int InUse(TestMesh mesh) => Destination(mesh).Breaker?.InFlight ?? 0;

    private static Task<HttpResponseMessage> Headers(TestMesh mesh) =>
        mesh.Http.GetAsync("http://reviews/", HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
}
