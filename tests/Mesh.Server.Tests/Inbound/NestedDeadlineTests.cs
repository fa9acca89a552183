using System.Globalization;
using Mesh.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Server.Tests.Inbound;

/// <summary>A calls B, B calls C, over real connections; each with a clock of its own, that nobody compares.</summary>
public sealed class NestedDeadlineTests
{
    [Fact]
    public async Task Deadline_OfTheFirstCaller_IsWhatTheLastCalleeHasLeft()
    {
        await using var c = await MeshApp.StartAsync();
        c.App.MapGet("/left", static () => MeshRequestContext.Current?.Remaining?.TotalMilliseconds);
        await using var b = await StartAsync("c", c);
        b.App.MapGet("/left", async (IHttpClientFactory clients) =>
        {
            b.Time.Advance(TimeSpan.FromMilliseconds(200));
            return await clients.CreateClient().GetStringAsync("http://c/left");
        });
        await using var a = await StartAsync("b", b, ("Mesh:Outbound:Timeout", "1s"));

        var left = await Client(a).GetStringAsync("http://b/left");

        Assert.Equal(800, double.Parse(left, CultureInfo.InvariantCulture));
    }

    [Fact]
    public async Task Stream_LongerThanEveryTimeout_IsReadToItsEnd()
    {
        await using var c = await MeshApp.StartAsync();
        await using var b = await StartAsync("c", c);
        b.App.MapGet("/stream", async (HttpContext context, IHttpClientFactory clients) =>
        {
            await context.Response.WriteAsync("first ");
            await context.Response.Body.FlushAsync();
            await b.Gate.Task.WaitAsync(context.RequestAborted);
            await context.Response.WriteAsync(await clients.CreateClient().GetStringAsync("http://c/", context.RequestAborted));
        });
        await using var a = await StartAsync("b", b);
        using var response = await Client(a).GetAsync("http://b/stream", HttpCompletionOption.ResponseHeadersRead);
        for (var i = 0; i < 60; i++)
        {
            a.Time.Advance(TimeSpan.FromSeconds(1));
            b.Time.Advance(TimeSpan.FromSeconds(1));
        }

        b.Gate.SetResult();

        Assert.Equal("first hello", await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Priority_OfTheFirstCaller_IsKnownToTheLastCallee()
    {
        await using var c = await MeshApp.StartAsync(static options => options.Inbound.TrustPriority = true);
        c.App.MapGet("/priority", static () => MeshRequestContext.Current?.Priority.ToString());
        await using var b = await StartAsync("c", c, ("Mesh:Inbound:TrustPriority", "true"));
        b.App.MapGet("/priority", static (IHttpClientFactory clients) => clients.CreateClient().GetStringAsync("http://c/priority"));
        await using var a = await StartAsync("b", b);

        using (MeshRequestContext.WithPriority(RequestPriority.Critical))
        {
            Assert.Equal("Critical", await Client(a).GetStringAsync("http://b/priority"));
        }
    }

    private static HttpClient Client(MeshApp mesh) => mesh.App.Services.GetRequiredService<IHttpClientFactory>().CreateClient();

    private static Task<MeshApp> StartAsync(string service, MeshApp callee, params (string Key, string Value)[] more) => MeshApp.StartAsync(
        static options => options.Discovery.Providers.Add("Configuration"),
        builder => builder.Configuration.AddInMemoryCollection(
            more.Append(($"Mesh:Services:{service}:Endpoints:0:Address", callee.App.Urls.First()))
                .ToDictionary(static pair => pair.Item1, static pair => (string?)pair.Item2)));
}
