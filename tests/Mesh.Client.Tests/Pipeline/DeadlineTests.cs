using System.Net.Http.Headers;
using Mesh.Client.Pipeline;

namespace Mesh.Client.Tests.Pipeline;

public sealed class DeadlineTests
{
    private const string Routes = """ "Routes": { "reviews": [ { "Route": [ { } ], "Timeout": "3s", "Retries": { "Attempts": 1, "PerTryTimeout": "2s" } } ] } """;

    [Fact]
    public async Task Send_Defaults_TellsTheTimeOfTheAttempt()
    {
        await using var mesh = await TestMesh.StartAsync();

        using var response = await mesh.Get();

        Assert.Equal("10000", Told(Assert.Single(mesh.Endpoints.Attempts)));
    }

    [Fact]
    public async Task Send_SecondAttempt_TellsWhatIsLeft()
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(Routes));
        mesh.Endpoints.Answer = static (n, attempt) => n == 0 ? attempt.Hang() : Task.FromResult(ScriptedEndpoints.Ok());

        using var response = await mesh.Get();

        var told = mesh.Endpoints.Attempts.Select(static attempt => int.Parse(Told(attempt)!)).ToArray();
        Assert.Equal(2000, told[0]);
        Assert.InRange(told[1], 500, 1000);
    }

    [Fact]
    public async Task Send_WithinARequestThatHasLessTime_InheritsThat()
    {
        await using var mesh = await TestMesh.StartAsync();
        mesh.Endpoints.Answer = static (_, attempt) => attempt.Hang();
        using (Serving(mesh, 700))
        {
            var call = mesh.Http.GetAsync("http://reviews/", TestContext.Current.CancellationToken);

            await Assert.ThrowsAsync<DeadlineExceededException>(() => mesh.Finish(call));
        }

        Assert.Equal("700", Told(Assert.Single(mesh.Endpoints.Attempts)));
        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Send_WithinARequestWhoseTimeIsOver_SendsNothing()
    {
        await using var mesh = await TestMesh.StartAsync();
        using (Serving(mesh, 100))
        {
            mesh.Time.Advance(TimeSpan.FromMilliseconds(250));

            var error = await Assert.ThrowsAsync<DeadlineExceededException>(() => mesh.Http.GetAsync("http://reviews/", TestContext.Current.CancellationToken));

            Assert.Contains("nothing was sent to reviews.default, because the time of the request that is being served here was over 0.15 s before", error.Message);
        }

        Assert.Empty(mesh.Endpoints.Attempts);
    }

    [Fact]
    public async Task Send_NoTimeLimit_TellsNone()
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(""" "Outbound": { "Timeout": "0s", "PerTryTimeout": "0s" } """));

        using var response = await mesh.Get();

        Assert.Null(Told(Assert.Single(mesh.Endpoints.Attempts)));
    }

    [Fact]
    public async Task Send_MessageOfAnotherRequest_OverwritesWhatThatWasTold()
    {
        await using var mesh = await TestMesh.StartAsync();
        var request = new HttpRequestMessage(HttpMethod.Get, "http://reviews/");
        request.Headers.Add(DeadlineHeaders.ExpectedTimeout, ["77", "88"]);

        using var response = await mesh.Finish(mesh.Http.SendAsync(request));

        Assert.Equal("10000", Told(Assert.Single(mesh.Endpoints.Attempts)));
    }

    [Fact]
    public async Task Send_ExternalService_IsToldNothing()
    {
        await using var mesh = await TestMesh.StartAsync(
            """ "Services": { "api.example.com": { "Endpoints": [ { "Address": "http://10.0.0.1" } ] } } """);
        using var urgent = MeshRequestContext.WithPriority(RequestPriority.Critical);

        using var response = await mesh.Get("http://api.example.com/");

        var attempt = Assert.Single(mesh.Endpoints.Attempts);
        Assert.DoesNotContain("x-envoy", attempt.Headers);
        Assert.DoesNotContain(PriorityHeader.Name, attempt.Headers);
    }

    [Theory]
    [InlineData("5S", 2, "2000")]
    [InlineData("5S", 9, "9000")]
    [InlineData(null, 2, "2000")]
    [InlineData("5S", 0, null)]
    public async Task Send_Grpc_TellsTheRoutesLimitApartFromItsOwn(string? own, int routeSeconds, string? expected)
    {
        await using var mesh = await TestMesh.StartAsync(
            TestMesh.Reviews($$""" "Routes": { "reviews": [ { "Route": [ { } ], "Timeout": "{{routeSeconds}}s" } ] } """));

        using var response = await mesh.Finish(mesh.Http.SendAsync(Grpc(own)));

        var attempt = Assert.Single(mesh.Endpoints.Attempts);
        Assert.Equal(own, attempt.Request.Headers.TryGetValues(DeadlineHeaders.GrpcTimeout, out var told) ? told.Single() : null);
        Assert.Equal(expected, Told(attempt));
    }

    [Fact]
    public async Task Send_GrpcRetry_TellsWhatIsLeftOfItsOwnTimeout()
    {
        await using var mesh = await TestMesh.StartAsync(
            TestMesh.Reviews(""" "Routes": { "reviews": [ { "Route": [ { } ], "Retries": { "Attempts": 1, "PerTryTimeout": "1500ms", "RetryOn": "reset" } } ] } """));
        var told = new List<string>();
        mesh.Endpoints.Answer = (n, attempt) =>
        {
            told.Add(attempt.Request.Headers.GetValues(DeadlineHeaders.GrpcTimeout).Single());
            return n == 0 ? attempt.Hang() : Task.FromResult(ScriptedEndpoints.Ok());
        };

        using var response = await mesh.Finish(mesh.Http.SendAsync(Grpc("2S")));

        Assert.Equal("2S", told[0]);
        Assert.InRange(int.Parse(told[1][..^1]), 300, 500);
        Assert.All(mesh.Endpoints.Attempts, static attempt => Assert.Equal("1500", Told(attempt)));
    }

    [Fact]
    public async Task Send_Priority_Travels()
    {
        await using var mesh = await TestMesh.StartAsync();
        using (MeshRequestContext.WithPriority(RequestPriority.Sheddable))
        {
            using var response = await mesh.Get();
        }

        Assert.Contains("x-mesh-priority: sheddable", Assert.Single(mesh.Endpoints.Attempts).Headers);
    }

    private static string? Told(ScriptedEndpoints.Attempt attempt) =>
        attempt.Headers.Split('\n').Select(static line => line.Trim()).Where(static line => line.StartsWith(DeadlineHeaders.ExpectedTimeout, StringComparison.Ordinal))
            .Select(static line => line[(line.IndexOf(':') + 1)..].Trim()).SingleOrDefault();

    private static IDisposable Serving(TestMesh mesh, int milliseconds) => MeshRequestContext.Push(new MeshRequestContext(
        mesh.Time,
        new Timestamps(mesh.Time).Add(mesh.Time.GetTimestamp(), TimeSpan.FromMilliseconds(milliseconds)),
        RequestPriority.Default));

    private static HttpRequestMessage Grpc(string? timeout)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "http://reviews/shop.Reviews/Get") { Content = new ByteArrayContent([0, 0, 0, 0, 0]) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        if (timeout is not null)
        {
            request.Headers.Add(DeadlineHeaders.GrpcTimeout, timeout);
        }

        return request;
    }
}
