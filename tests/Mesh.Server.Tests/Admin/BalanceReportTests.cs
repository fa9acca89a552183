using System.Net.Http.Json;
using System.Text.Json;
using Mesh.Discovery;
using Microsoft.Extensions.Configuration;

namespace Mesh.Server.Tests.Admin;

public sealed class BalanceReportTests
{
    [Fact]
    public async Task Endpoints_LocalitiesAndWarmup_TellsGroupsSharesAndWhoIsNew()
    {
        await using var mesh = await MeshApp.StartAsync(build: static builder => builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Mesh:Locality:Region"] = "eu",
            ["Mesh:Destinations:ratings.prod:LoadBalancer:LocalityLbSetting:Enabled"] = "true",
            ["Mesh:Destinations:ratings.prod:LoadBalancer:Warmup:Duration"] = "30s",
        }));
        var ratings = new ServiceName("ratings", "prod");
        mesh.Catalog.Report(ratings, At(1, "eu"), At(3, "us"));
        mesh.Catalog.Report(ratings, At(1, "eu"), At(2, "eu"), At(3, "us"));

        var body = await mesh.Client.GetFromJsonAsync<JsonElement>("/mesh/endpoints");

        var destination = body.GetProperty("services").EnumerateArray()
            .Single(static s => s.GetProperty("service").GetString() == "ratings.prod").GetProperty("destinations")[0];
        Assert.False(destination.TryGetProperty("loadBalancer", out _));
        var balance = destination.GetProperty("balance");
        Assert.Equal("failover", balance.GetProperty("mode").GetString());
        Assert.Equal("00:00:30", destination.GetProperty("warmup").GetProperty("duration").GetString());
        Assert.Equal(
            ["priority 0: 100 % 2/2", "priority 1: 0 % 1/1"],
            balance.GetProperty("groups").EnumerateArray().Select(static g =>
                $"{g.GetProperty("name")}: {g.GetProperty("percent")} % {g.GetProperty("usable")}/{g.GetProperty("endpoints")}"));
        Assert.Equal(
            ["10.0.0.1:81 priority 0 90.909", "10.0.0.2:81 priority 0 9.091"],
            balance.GetProperty("endpoints").EnumerateArray().Select(static e =>
                $"{e.GetProperty("endpoint")} {e.GetProperty("group")} {e.GetProperty("percent")}"));
        Assert.Equal(10, balance.GetProperty("endpoints")[1].GetProperty("warmth").GetDouble());
        Assert.False(balance.TryGetProperty("peers", out _));

        static Endpoint At(int number, string region) =>
            new() { Address = new Uri($"http://10.0.0.{number}:81"), Locality = new Locality(region) };
    }
}
