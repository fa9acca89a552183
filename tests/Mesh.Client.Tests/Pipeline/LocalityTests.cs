using System.Globalization;
using Mesh.Client.Tests.LoadBalancing;
using Mesh.Discovery;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Client.Tests.Pipeline;

/// <summary>Localities through the whole pipeline.</summary>
public sealed class LocalityTests
{
    private const string Near = "10.0.0.1";
    private const string Far = "10.0.0.2";

    [Fact]
    public async Task Send_NearOneIsThere_TakesAll()
    {
        await using var mesh = await StartAsync();

        await Get(mesh, 20);

        Assert.All(Hosts(mesh), static host => Assert.Equal(Near, host));
    }

    [Fact]
    public async Task Send_AllNearOnesWereTried_TheLastResortIsAnotherLocality()
    {
        await using var mesh = await StartAsync();
        mesh.Endpoints.Answer = static (_, attempt) => attempt.Endpoint.Address.Host == Near
            ? throw ScriptedEndpoints.ConnectFailure()
            : Task.FromResult(ScriptedEndpoints.Ok());

        using var response = await mesh.Get();

        Assert.True(response.IsSuccessStatusCode);
        Assert.Equal([Near, Far], Hosts(mesh));
        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Send_NearOneIsEjected_TheOtherLocalityTakesOver()
    {
        await using var mesh = await StartAsync("""
            , "Outbound": { "RetryAttempts": 0, "OutlierDetection": { "Consecutive5xxErrors": 1, "MaxEjectionPercent": 100 } }
            """, enabled: "null");
        mesh.Endpoints.Answer = static (n, _) => Task.FromResult(ScriptedEndpoints.Status(n == 0 ? 503 : 200));

        await Get(mesh, 3);

        Assert.Equal([Near, Far, Far], Hosts(mesh));
    }

    [Theory]
    [InlineData("LEAST_REQUEST")]
    [InlineData("PEAK_EWMA")]
    [InlineData("ROUND_ROBIN")]
    [InlineData("RANDOM")]
    public async Task Send_Distribute_SharesHoldForEveryPolicy(string policy)
    {
        await using var mesh = await StartAsync(balancer: $$"""
            "Simple": "{{policy}}",
            "LocalityLbSetting": { "Distribute": [ { "From": "eu/*", "To": { "eu/*": 80, "us/*": 20 } } ] }
            """);

        await Get(mesh, 2000);

        var share = Hosts(mesh).Count(static host => host == Near) / 2000.0;
        Assert.InRange(share, 0.76, 0.84);
    }

    private static Task<TestMesh> StartAsync(string more = "", string enabled = "true", string? balancer = null) => TestMesh.StartAsync(
        string.Create(CultureInfo.InvariantCulture, $$"""
        "Locality": { "Region": "eu", "Zone": "a" },
        "Services": { "reviews": { "Endpoints": [
          { "Address": "http://{{Near}}:8080", "Locality": { "Region": "eu", "Zone": "a" } },
          { "Address": "http://{{Far}}:8080", "Locality": { "Region": "us", "Zone": "a" } } ] } },
        "Destinations": { "reviews": { "LoadBalancer": { {{balancer ?? $$"""
            "LocalityLbSetting": { "Enabled": {{enabled}} }
            """}} } } }
        {{more}}
        """), static builder => builder.Services.AddSingleton<IRandomSource>(new SeededRandom(1)));

    private static async Task Get(TestMesh mesh, int times)
    {
        for (var i = 0; i < times; i++)
        {
            (await mesh.Get()).Dispose();
        }
    }

    private static string[] Hosts(TestMesh mesh) => [.. mesh.Endpoints.Attempts.Select(static attempt => attempt.Endpoint.Address.Host)];
}
