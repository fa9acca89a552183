using System.Net;
using Mesh.Client.Pipeline;
using Mesh.Discovery.Runtime;
using Microsoft.Extensions.Logging;

namespace Mesh.Client.Tests.Pipeline;

public sealed class RetryBudgetTests
{
    [Theory]
    [InlineData("status")]
    [InlineData("reset")]
    [InlineData("connect")]
    public async Task Send_EverythingFails_LoadGrowsByAtMostAQuarter(string failure)
    {
        await using var mesh = await TestMesh.StartAsync();
        mesh.Endpoints.Script(() => failure switch
        {
            "status" => ScriptedEndpoints.Status(503),
            "reset" => throw ScriptedEndpoints.Reset(),
            _ => throw ScriptedEndpoints.ConnectFailure(),
        });
        const int PerSecond = 1000;
        const int Seconds = 15;
        var calls = new List<Task<HttpResponseMessage>>();
        for (var i = 0; i < PerSecond * Seconds; i++)
        {
            calls.Add(mesh.Http.GetAsync("http://reviews/", TestContext.Current.CancellationToken));
            mesh.Time.Advance(TimeSpan.FromSeconds(1.0 / PerSecond));
        }

        foreach (var call in calls)
        {
            if (failure == "status")
            {
                using var response = await mesh.Finish(call);
                Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
            }
            else
            {
                await Assert.ThrowsAsync<HttpRequestException>(() => mesh.Finish(call));
            }
        }

        Assert.InRange((double)mesh.Endpoints.Attempts.Count / calls.Count, 1.1, 1.25);
        Assert.Equal(0, Destination(mesh).Retries.Active);
        Assert.InRange(mesh.Logs.GetSnapshot().Count(static log => log.Level == LogLevel.Warning && log.Message.Contains("gets no more retries", StringComparison.Ordinal)), 1, 3);
    }

    [Fact]
    public async Task Send_BudgetIsExhausted_CallerGetsTheRealResponseAndTheRealException()
    {
        await using var mesh = await Start(""" "Percent": 0, "MinRetriesPerSecond": 0 """);
        mesh.Endpoints.Answer = static (n, _) =>
            n == 0 ? Task.FromResult(ScriptedEndpoints.Status(503)) : throw ScriptedEndpoints.Reset();

        using var response = await mesh.Get();
        var error = await Assert.ThrowsAsync<HttpRequestException>(() => mesh.Get());

        Assert.Equal("status 503", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal(HttpRequestError.ResponseEnded, error.HttpRequestError);
        Assert.Equal(2, mesh.Endpoints.Attempts.Count);
        Assert.True(mesh.Runtime.Resilience.IsOutOfBudget);
        mesh.Time.Advance(TimeSpan.FromSeconds(2));
        Assert.False(mesh.Runtime.Resilience.IsOutOfBudget);
    }

    [Fact]
    public async Task Send_Retries_SayWhichAttemptTheyAreAndLeaveTheMessageAsItWas()
    {
        await using var mesh = await TestMesh.StartAsync();
        mesh.Endpoints.Script(static () => ScriptedEndpoints.Status(503));
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://reviews/");

        using var response = await mesh.Finish(mesh.Http.SendAsync(request));

        Assert.Equal(
            ["", "x-mesh-attempt: 2", "x-mesh-attempt: 3"],
            mesh.Endpoints.Attempts.Select(static a => string.Join(
                "", a.Headers.ReplaceLineEndings("\n").Split('\n').Where(static line => line.StartsWith(Retry.AttemptHeader, StringComparison.Ordinal)))));
        Assert.False(request.Headers.Contains(Retry.AttemptHeader));
    }

    [Theory]
    [InlineData(true, 1)]
    [InlineData(false, 3)]
    public async Task Send_CalleeSaysNoRetry_IsObeyed(bool saysSo, int attempts)
    {
        await using var mesh = await TestMesh.StartAsync();
        mesh.Endpoints.Script(() =>
        {
            var response = ScriptedEndpoints.Status(503);
            if (saysSo)
            {
                response.Headers.Add(Retry.NoRetryHeader, "1");
            }

            return response;
        });

        using var response = await mesh.Get();

        Assert.Equal(attempts, mesh.Endpoints.Attempts.Count);
    }

    [Fact]
    public async Task Send_OneOfThreeRefusesConnections_NobodyNoticesWhateverTheBudget()
    {
        await using var mesh = await Start(""" "Percent": 0, "MinRetriesPerSecond": 0 """);
        mesh.Endpoints.Answer = static (_, attempt) => attempt.Address == "10.0.0.2:8080"
            ? throw ScriptedEndpoints.ConnectFailure()
            : Task.FromResult(ScriptedEndpoints.Ok());

        for (var i = 0; i < 300; i++)
        {
            using var response = await mesh.Get();
        }

        Assert.InRange(mesh.Endpoints.Attempts.Count, 310, 600);
    }

    [Fact]
    public async Task Send_RuleChanges_BudgetFollows()
    {
        await using var mesh = await Start(""" "Percent": 50, "MinRetriesPerSecond": 1, "Window": "5s" """);

        using var response = await mesh.Get();

        Assert.Equal((50, 1, 5.0), (Destination(mesh).Retries.Settings.Percent, Destination(mesh).Retries.Settings.MinRetriesPerSecond, Destination(mesh).Retries.Settings.Window.TotalSeconds));
        Assert.Equal(5.5, Destination(mesh).Retries.Balance(mesh.Time.GetTimestamp()));
    }

    private static Task<TestMesh> Start(string budget) => TestMesh.StartAsync(TestMesh.Reviews(
        $$""" "Destinations": { "reviews": { "RetryBudget": { {{budget}} } } } """));

    private static DestinationState Destination(TestMesh mesh)
    {
        var service = mesh.Runtime.Current.Find("reviews")!;
        return service.GetDestination(new DestinationKey(service.Name));
    }
}
