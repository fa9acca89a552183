using System.Net;
using Mesh.Discovery.Runtime;
using Microsoft.Extensions.Logging;

namespace Mesh.Client.Tests.Pipeline;

public sealed class OutlierTests
{
    [Fact]
    public async Task Send_EndpointAnswersWith500_IsLeftOutAndComesBack()
    {
        await using var mesh = await Start(""" "OutlierDetection": {}, "LoadBalancer": { "Simple": "ROUND_ROBIN" } """);
        mesh.Endpoints.Answer = static (_, attempt) => Task.FromResult(ScriptedEndpoints.Status(attempt.Address == "10.0.0.2:8080" ? 500 : 200));

        var before = await Failures(mesh, 30);
        var during = await Failures(mesh, 30);
        mesh.Time.Advance(TimeSpan.FromSeconds(31));
        var after = await Failures(mesh, 15);

        Assert.Equal((5, 0, 5), (before, during, after));
    }

    [Theory]
    [InlineData("connect")]
    [InlineData("reset")]
    [InlineData("timeout")]
    [InlineData("grpc")]
    public async Task Send_WhateverFails_IsCounted(string failure)
    {
        await using var mesh = await Start(""" "OutlierDetection": { "Consecutive5xxErrors": 2 } """, "\"PerTryTimeout\": \"1s\",");
        mesh.Endpoints.Answer = (_, attempt) => attempt.Address != "10.0.0.2:8080" ? Task.FromResult(ScriptedEndpoints.Ok()) : failure switch
        {
            "connect" => throw ScriptedEndpoints.ConnectFailure(),
            "reset" => throw ScriptedEndpoints.Reset(),
            "timeout" => attempt.Hang(),
            _ => Task.FromResult(new HttpResponseMessage { Version = HttpVersion.Version20, Headers = { { "grpc-status", "14" } } }),
        };

        for (var i = 0; i < 60; i++)
        {
            await mesh.Finish(Quiet(mesh), stepMs: 200);
        }

        Assert.Equal(2, View(mesh).Endpoints.Length);
        Assert.Equal(2, mesh.Endpoints.Attempts.Count(static a => a.Address == "10.0.0.2:8080"));
        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Send_CallerCancels_IsNotTheEndpointsFault()
    {
        await using var mesh = await Start(""" "OutlierDetection": { "Consecutive5xxErrors": 1 } """);
        mesh.Endpoints.Answer = static (_, attempt) => attempt.Hang();

        for (var i = 0; i < 5; i++)
        {
            using var cancel = new CancellationTokenSource();
            var call = mesh.Http.GetAsync("http://reviews/", cancel.Token);
            await cancel.CancelAsync();
            await Assert.ThrowsAsync<TaskCanceledException>(() => call);
        }

        Assert.Equal(3, View(mesh).Endpoints.Length);
    }

    [Fact]
    public async Task Send_DefaultForAll_HoldsWhereNoRuleSpeaks()
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(
            """ "Outbound": { "RetryAttempts": 0, "OutlierDetection": { "Consecutive5xxErrors": 1 } } """));
        mesh.Endpoints.Script(static () => ScriptedEndpoints.Status(503));

        await mesh.Get();

        Assert.Equal(2, View(mesh).Endpoints.Length);
        Assert.Contains(mesh.Logs.GetSnapshot(), static log => log.Level == LogLevel.Warning && log.Message.Contains("is ejected for", StringComparison.Ordinal));
    }

    private static Task<TestMesh> Start(string destination, string outbound = "") => TestMesh.StartAsync(TestMesh.Reviews(
        $$""" "Destinations": { "reviews": { {{destination}} } }, "Outbound": { {{outbound}} "RetryAttempts": 0 } """));

    private static DestinationView View(TestMesh mesh)
    {
        var service = mesh.Runtime.Current.Find("reviews")!;
        return service.GetDestination(new DestinationKey(service.Name)).View;
    }

    private static async Task<int> Failures(TestMesh mesh, int calls)
    {
        var failures = 0;
        for (var i = 0; i < calls; i++)
        {
            using var response = await mesh.Get();
            failures += response.IsSuccessStatusCode ? 0 : 1;
        }

        return failures;
    }

    private static async Task<bool> Quiet(TestMesh mesh)
    {
        try
        {
            using var response = await mesh.Http.GetAsync("http://reviews/", TestContext.Current.CancellationToken);
            return true;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
