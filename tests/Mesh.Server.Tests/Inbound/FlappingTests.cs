using System.Net;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Runtime.Resilience;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Server.Tests.Inbound;

/// <summary>
/// A calls F, which answers well and badly by turns, and F calls H, which is well. What the mesh does about F is not H's matter:
/// neither A nor F ever sees an error of it.
/// </summary>
public sealed class FlappingTests
{
    private const int Requests = 400;
    private const int Phase = 20;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task HealthyService_BehindAFlappingOne_NeverFails(bool breaksOff)
    {
        var servedByH = 0;
        var servedByF = 0;
        var answersOfH = new List<HttpStatusCode>();
        await using var h = await MeshApp.StartAsync();
        h.App.MapGet("/work", () => $"{Interlocked.Increment(ref servedByH)}");
        await using var f = await StartAsync(("h", h));
        f.App.MapGet("/work", async (HttpContext context, IHttpClientFactory clients) =>
        {
            using var response = await clients.CreateClient().GetAsync("http://h/work");
            lock (answersOfH)
            {
                answersOfH.Add(response.StatusCode);
            }

            if (Interlocked.Increment(ref servedByF) / Phase % 2 == 0)
            {
                return;
            }

            if (breaksOff)
            {
                context.Abort();
            }
            else
            {
                context.Response.StatusCode = 503;
            }
        });
        await using var a = await StartAsync(("f", f), ("h", h));
        var (failuresOfF, failuresOfH) = (0, 0);
        for (var i = 0; i < Requests; i++)
        {
            failuresOfF += await IsGoodAsync(a, "http://f/work") ? 0 : 1;
            failuresOfH += await IsGoodAsync(a, "http://h/work") ? 0 : 1;
        }

        Assert.InRange(failuresOfF, Requests / 20, Requests);
        Assert.Equal(0, failuresOfH);
        Assert.All(answersOfH, static status => Assert.Equal(HttpStatusCode.OK, status));

        // Each request of F is one of H: nobody between them has repeated it.
        Assert.Equal(servedByF + Requests, servedByH);
        Assert.InRange(servedByF, 0, (int)(1.25 * Requests) + 100);
        Assert.All(
            new[] { a, f }.Select(static app => Destination(app, "h")),
            static destination => Assert.Equal((CircuitState.Closed, false, 1), (
                destination.View.Circuit!.State, destination.View.IsPanicking, destination.View.Endpoints.Length)));
    }

    /// <summary>The clock goes on while it waits, for pauses between attempts.</summary>
    private static async Task<bool> IsGoodAsync(MeshApp app, string url)
    {
        var call = app.App.Services.GetRequiredService<IHttpClientFactory>().CreateClient().GetAsync(url);
        while (await Task.WhenAny(call, Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System)) != call)
        {
            app.Time.Advance(TimeSpan.FromMilliseconds(5));
        }

        try
        {
            using var response = await call;
            return response.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static DestinationState Destination(MeshApp app, string service) => app.App.Services.GetRequiredService<MeshRuntime>().Current
        .Find(service)!.Destinations.Single(destination => destination.Name.StartsWith(service + ".", StringComparison.Ordinal));

    /// <summary>With all that protects, so that all of it could go wrong.</summary>
    private static Task<MeshApp> StartAsync(params (string Service, MeshApp App)[] callees) => MeshApp.StartAsync(
        static options => options.Discovery.Providers.Add("Configuration"),
        builder => builder.Configuration.AddInMemoryCollection(callees
            .Select(static callee => ($"Mesh:Services:{callee.Service}:Endpoints:0:Address", callee.App.App.Urls.First()))
            .Concat(
            [
                ("Mesh:Outbound:OutlierDetection:Consecutive5xxErrors", "3"),
                ("Mesh:Outbound:CircuitBreaker:MinimumThroughput", "20"),
                ("Mesh:Outbound:CircuitBreaker:BreakDuration", "500ms"),
            ])
            .ToDictionary(static pair => pair.Item1, static pair => (string?)pair.Item2)));
}
