using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Mesh.Discovery;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Runtime.Resilience;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Server.Tests.Admin;

public sealed class ResilienceReportTests
{
    [Fact]
    public async Task Endpoints_DestinationThatProtectsItself_TellsEjectionsPanicLimitsAndBudget()
    {
        await using var mesh = await MeshApp.StartAsync(build: static builder => builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Mesh:Destinations:ratings.prod:OutlierDetection:Consecutive5xxErrors"] = "1",
            ["Mesh:Destinations:ratings.prod:OutlierDetection:MinHealthPercent"] = "60",
            ["Mesh:Destinations:ratings.prod:OutlierDetection:MaxEjectionPercent"] = "50",
            ["Mesh:Destinations:ratings.prod:ConnectionPool:MaxRequests"] = "7",
            ["Mesh:Destinations:ratings.prod:ConnectionPool:MaxRetries"] = "2",
            ["Mesh:Destinations:ratings.prod:CircuitBreaker:MinimumThroughput"] = "20",
        }));
        mesh.Catalog.Report(
            new ServiceName("ratings", "prod"), new Discovery.Endpoint { Address = new Uri("http://10.0.0.1:81") }, new Discovery.Endpoint { Address = new Uri("http://10.0.0.2:81") });
        var service = mesh.App.Services.GetRequiredService<MeshRuntime>().Current.Find("ratings.prod")!;
        var destination = service.GetDestination(new DestinationKey(service.Name));
        destination.View.Detector!.Report(service.Endpoints[0], AttemptResult.NoResponse);
        Assert.Null(destination.View.Breaker!.TryEnter(2, true));
        Assert.Null(destination.Retries.TryRetry(mesh.Time.GetTimestamp(), null, false, true, out _, out _));

        destination.Hedges.Deposit(100);
        Assert.Equal([true, false], new[] { destination.Hedges.TryTake(), destination.Hedges.TryTake() });
        destination.Circuit!.Opened(mesh.Time.GetUtcNow() + TimeSpan.FromSeconds(5), 0.5, 10);
        destination.Circuit.Refuse();

        var body = await mesh.Client.GetFromJsonAsync<JsonElement>("/mesh/endpoints");

        var report = body.GetProperty("services").EnumerateArray().Single(static s => s.GetProperty("service").GetString() == "ratings.prod")
            .GetProperty("destinations")[0];
        Assert.True(report.GetProperty("isPanicking").GetBoolean());
        Assert.Equal(2, report.GetProperty("endpoints").GetArrayLength());
        var ejected = Assert.Single(report.GetProperty("ejected").EnumerateArray());
        Assert.Equal(("10.0.0.1:81", 30.0, 1), (
            ejected.GetProperty("endpoint").GetString(), ejected.GetProperty("seconds").GetDouble(), ejected.GetProperty("ejections").GetInt32()));
        Assert.Equal(
            ["MaxRequests 7 1 6", "MaxRetries 2 1 1"],
            report.GetProperty("limits").EnumerateArray().Select(static l =>
                $"{l.GetProperty("name")} {l.GetProperty("limit")} {l.GetProperty("inUse")} {l.GetProperty("remaining")}"));
        Assert.Equal(0, report.GetProperty("refused").GetInt64());
        Assert.False(report.TryGetProperty("overLimit", out _));
        Assert.Equal((1, 1), (report.GetProperty("hedges").GetProperty("sent").GetInt64(), report.GetProperty("hedges").GetProperty("refused").GetInt64()));
        var breaker = report.GetProperty("circuitBreaker");
        Assert.Equal(("Open", false, 5.0, 0.1, 20, 1), (
            breaker.GetProperty("state").GetString(), breaker.GetProperty("forced").GetBoolean(), breaker.GetProperty("seconds").GetDouble(),
            breaker.GetProperty("failureRatio").GetDouble(), breaker.GetProperty("minimumThroughput").GetInt32(), breaker.GetProperty("refused").GetInt64()));
        var budget = report.GetProperty("retryBudget");
        Assert.Equal((20, 99, 1), (
            budget.GetProperty("percent").GetDouble(), budget.GetProperty("remaining").GetDouble(), budget.GetProperty("active").GetInt32()));
    }

    [Fact]
    public async Task Response_OutOfBudgetWithinTheLastSecond_ErrorsSayNoRetry()
    {
        await using var mesh = await MeshApp.StartAsync(catalog: new FakeCatalog { SyncsAtOnce = false });
        var resilience = mesh.App.Services.GetRequiredService<MeshRuntime>().Resilience;

        var before = await mesh.Client.GetAsync("/mesh/ready");
        resilience.OutOfBudget(mesh.Time.GetTimestamp());
        var during = await mesh.Client.GetAsync("/mesh/ready");
        var good = await mesh.Client.GetAsync("/mesh/health");
        mesh.Time.Advance(TimeSpan.FromSeconds(1));
        var after = await mesh.Client.GetAsync("/mesh/ready");

        Assert.Equal(HttpStatusCode.ServiceUnavailable, during.StatusCode);
        Assert.Equal(
            [false, true, false, false],
            new[] { before, during, good, after }.Select(static response => response.Headers.Contains("x-mesh-no-retry")));
    }

    [Theory]
    [InlineData("14", true)]
    [InlineData("0", false)]
    public async Task Response_OutOfBudget_GrpcCallsThatFailedSayNoRetry(string status, bool says)
    {
        await using var mesh = await MeshApp.StartAsync();
        mesh.App.MapPost("/grpc", (HttpResponse response) =>
        {
            response.ContentType = "application/grpc";
            response.Headers["grpc-status"] = status;
        });
        mesh.App.Services.GetRequiredService<MeshRuntime>().Resilience.OutOfBudget(mesh.Time.GetTimestamp());

        using var response = await mesh.Client.PostAsync("/grpc", null);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(says, response.Headers.Contains("x-mesh-no-retry"));
    }
}
