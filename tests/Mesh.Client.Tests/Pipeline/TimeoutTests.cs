using System.Net.Http.Headers;
using Mesh.Discovery;
using Mesh.Discovery.Catalogs;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Client.Tests.Pipeline;

public sealed class TimeoutTests
{
    [Fact]
    public async Task Send_AttemptHangs_EachTryHasItsTime()
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(""" "Outbound": { "PerTryTimeout": "1s" } """));
        var starts = new List<DateTimeOffset>();
        mesh.Endpoints.Answer = (_, attempt) =>
        {
            starts.Add(mesh.Time.GetUtcNow());
            return attempt.Hang();
        };

        var error = await Assert.ThrowsAsync<DeadlineExceededException>(() => mesh.Get());

        Assert.Equal(3, starts.Count);
        Assert.All(starts.Zip(starts.Skip(1)), static pair => Assert.InRange((pair.Second - pair.First).TotalSeconds, 1, 4));
        Assert.IsType<TimeoutException>(error.InnerException);
        Assert.IsAssignableFrom<OperationCanceledException>(error.InnerException.InnerException);
        Assert.Contains("GET http://reviews/: no response from reviews.default within 1 s (attempt 3, ", error.Message, StringComparison.Ordinal);
        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Send_AttemptOfPostHangs_IsNotRepeated()
    {
        await using var mesh = await TestMesh.StartAsync();
        mesh.Endpoints.Answer = static (_, attempt) => attempt.Hang();

        await Assert.ThrowsAsync<DeadlineExceededException>(() => mesh.Post());

        Assert.Single(mesh.Endpoints.Attempts);
    }

    [Fact]
    public async Task Send_TotalIsOver_CutsTheLastTry()
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(""" "Outbound": { "PerTryTimeout": "2s", "Timeout": "3s" } """));
        mesh.Endpoints.Answer = static (_, attempt) => attempt.Hang();
        var start = mesh.Time.GetUtcNow();

        await Assert.ThrowsAsync<DeadlineExceededException>(() => mesh.Get());

        Assert.Equal(2, mesh.Endpoints.Attempts.Count);
        Assert.InRange((mesh.Time.GetUtcNow() - start).TotalSeconds, 3, 9);
    }

    [Fact]
    public async Task Send_RouteTimeout_HoldsAlsoForEachTry()
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(
            """ "Outbound": { "PerTryTimeout": "1s" }, "Routes": { "reviews": [ { "Route": [ { } ], "Timeout": "4s" } ] } """));
        mesh.Endpoints.Answer = static (_, attempt) => attempt.Hang();
        var start = mesh.Time.GetUtcNow();

        await Assert.ThrowsAsync<DeadlineExceededException>(() => mesh.Get());

        Assert.Single(mesh.Endpoints.Attempts);
        Assert.InRange((mesh.Time.GetUtcNow() - start).TotalSeconds, 4, 12);
    }

    [Theory]
    [InlineData(""" "Outbound": { "PerTryTimeout": "0", "Timeout": "0" } """)]
    [InlineData(""" "Outbound": { "PerTryTimeout": "0", "Timeout": "1s" }, "Routes": { "reviews": [ { "Route": [ { } ], "Timeout": "0s" } ] } """)]
    public async Task Send_ZeroTimeout_IsNone(string section)
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(section));
        var gate = new TaskCompletionSource<HttpResponseMessage>();
        mesh.Endpoints.Answer = (_, attempt) => gate.Task.WaitAsync(attempt.Cancel);
        var call = mesh.Http.GetAsync("http://reviews/", TestContext.Current.CancellationToken);

        mesh.Time.Advance(TimeSpan.FromDays(1));
        gate.SetResult(ScriptedEndpoints.Ok());

        using var response = await call;
        Assert.Single(mesh.Endpoints.Attempts);
    }

    [Fact]
    public async Task Send_Grpc_HasNoDefaultTimeout()
    {
        await using var mesh = await TestMesh.StartAsync();
        var gate = new TaskCompletionSource<HttpResponseMessage>();
        mesh.Endpoints.Answer = (_, attempt) => gate.Task.WaitAsync(attempt.Cancel);
        var content = new ByteArrayContent([0]);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc+proto");
        var call = mesh.Http.PostAsync("http://reviews/", content, TestContext.Current.CancellationToken);

        mesh.Time.Advance(TimeSpan.FromDays(1));
        gate.SetResult(ScriptedEndpoints.Ok());

        using var response = await call;
    }

    [Fact]
    public async Task Send_WaitsForTheFirstView_TheTryHasItsWholeTimeAfterwards()
    {
        var catalog = new ScriptedCatalog { First = null };
        await using var mesh = await TestMesh.StartAsync(
            """
            "Discovery": { "Providers": [ "Scripted" ] }, "Outbound": { "PerTryTimeout": "1s", "RetryAttempts": 0 },
            "Routes": { "reviews": [ { "Route": [ { } ] } ] }
            """,
            builder => builder.Services.AddSingleton<IEndpointCatalog>(catalog));
        var sent = new TaskCompletionSource();
        var gate = new TaskCompletionSource<HttpResponseMessage>();
        mesh.Endpoints.Answer = (_, attempt) =>
        {
            sent.SetResult();
            return gate.Task.WaitAsync(attempt.Cancel);
        };
        var call = mesh.Http.GetAsync("http://reviews/", TestContext.Current.CancellationToken);
        mesh.Time.Advance(TimeSpan.FromSeconds(3));
        Assert.False(call.IsCompleted);

        catalog.Observer.ServiceChanged(ServiceName.Resolve("reviews", "default"), [new Endpoint { Address = new Uri("http://10.0.0.1:80") }]);
        await sent.Task;
        mesh.Time.Advance(TimeSpan.FromSeconds(0.8));
        gate.SetResult(ScriptedEndpoints.Ok());

        using var response = await call;
    }

    [Fact]
    public async Task Send_WaitsForTheFirstView_NotLongerThanTheRouteAllows()
    {
        await using var mesh = await TestMesh.StartAsync(
            """ "Routes": { "reviews": [ { "Route": [ { } ], "Timeout": "1s" } ] } """);
        var start = mesh.Time.GetUtcNow();

        await Assert.ThrowsAsync<DeadlineExceededException>(() => mesh.Get());

        Assert.InRange((mesh.Time.GetUtcNow() - start).TotalSeconds, 1, 4.5);
        Assert.Empty(mesh.Endpoints.Attempts);
    }

    [Fact]
    public async Task Send_BodyAfterTheLimit_IsNotCut()
    {
        await using var mesh = await TestMesh.StartAsync();
        using var response = await mesh.Http.GetAsync(
            "http://reviews/", HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);

        mesh.Time.Advance(TimeSpan.FromHours(1));

        Assert.False(mesh.Endpoints.Attempts.Single().Cancel.IsCancellationRequested);
        Assert.Equal("ok", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }
}
