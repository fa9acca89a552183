using System.Net;
using Mesh.Server.Registration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace Mesh.Server.Tests.Registration;

public sealed class DrainTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task StopAsync_HoweverItComes_KeepsTheOrder(bool bySignal)
    {
        await using var mesh = await MeshApp.StartAsync();
        await mesh.Catalog.Registered.Task;
        var inFlight = mesh.Client.GetStringAsync("/gated");
        await mesh.Arrived.Task;
        Assert.Null((await mesh.Client.GetAsync("/")).Headers.ConnectionClose);

        // A signal triggers ApplicationStopping before the host is stopped; StopAsync does so after StoppingAsync.
        // Kestrel must serve on in both cases.
        var stop = bySignal ? mesh.App.WaitForShutdownAsync() : mesh.App.StopAsync();
        if (bySignal)
        {
            mesh.App.Lifetime.StopApplication();
        }

        await mesh.Catalog.Withdrawn.Task;
        await mesh.LogLine("Leaving: serving for another 00:00:02");
        Assert.Equal(bySignal, mesh.App.Lifetime.ApplicationStopping.IsCancellationRequested);
        var ready = await mesh.Client.GetAsync("/mesh/ready");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        Assert.Contains("leaving", await ready.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await mesh.Client.GetAsync("/mesh/health")).StatusCode);
        var served = await mesh.Client.GetAsync("/");
        Assert.Equal("hello", await served.Content.ReadAsStringAsync());
        Assert.True(served.Headers.ConnectionClose);
        var health = await mesh.App.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync();
        Assert.Equal(HealthStatus.Unhealthy, health.Entries["mesh-drain"].Status);
        Assert.False(stop.IsCompleted);

        mesh.Time.Advance(TimeSpan.FromSeconds(2));
        await mesh.LogLine("Leaving: the server stops");
        mesh.Gate.SetResult();

        Assert.Equal("late", await inFlight);
        await stop;
        await Assert.ThrowsAsync<HttpRequestException>(() => mesh.Client.GetStringAsync("/"));
        string[] expected = ["Leaving: the readiness", "Leaving: withdrawn", "Leaving: serving for", "Leaving: the server stops"];
        var lines = mesh.Logs.GetSnapshot().Select(static log => log.Message)
            .Where(static line => line.StartsWith("Leaving", StringComparison.Ordinal)).ToArray();
        Assert.Equal(expected.Length, lines.Length);
        Assert.All(lines.Zip(expected), static pair => Assert.StartsWith(pair.Second, pair.First, StringComparison.Ordinal));
    }

    [Fact]
    public async Task StopAsync_Http2_IsNotGivenAConnectionHeader()
    {
        await using var mesh = await MeshApp.StartAsync(build: static builder => builder.Configuration["Kestrel:EndpointDefaults:Protocols"] = "Http2");
        var stop = mesh.App.StopAsync();
        await mesh.LogLine("Leaving: serving for another");

        using var request = new HttpRequestMessage(HttpMethod.Get, "/")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        using var response = await mesh.Client.SendAsync(request);

        Assert.Equal(HttpVersion.Version20, response.Version);
        Assert.Null(response.Headers.ConnectionClose);
        await mesh.AdvanceUntil(stop);
    }

    [Fact]
    public async Task StopAsync_DelaySkipped_StopsAtOnce()
    {
        await using var mesh = await MeshApp.StartAsync(static options => options.Drain.Delay = TimeSpan.FromHours(1));
        var stop = mesh.App.StopAsync();
        await mesh.LogLine("Leaving: serving for another 01:00:00");

        var service = mesh.App.Services.GetServices<IHostedService>().OfType<RegistrationService>().Single();
        service.SkipDelay!();

        await stop;
        await mesh.LogLine("Leaving: the rest of the delay is skipped");
        Assert.Null(service.SkipDelay);
    }

    [Fact]
    public async Task StopAsync_HostsTimeIsUp_EndsTheDelay()
    {
        await using var mesh = await MeshApp.StartAsync(static options => options.Drain.Delay = TimeSpan.FromHours(1));
        using var timeIsUp = new CancellationTokenSource();
        var stop = mesh.App.StopAsync(timeIsUp.Token);
        await mesh.LogLine("Leaving: serving for another");

        await timeIsUp.CancelAsync();

        await Record.ExceptionAsync(() => stop);
        await mesh.LogLine("Leaving: the server stops");
    }

    [Fact]
    public async Task StopAsync_NoDelay_DoesNotWait()
    {
        await using var mesh = await MeshApp.StartAsync(static options => options.Drain.Delay = TimeSpan.Zero);

        await mesh.App.StopAsync();

        Assert.DoesNotContain(mesh.Logs.GetSnapshot(), static log => log.Message.StartsWith("Leaving: serving", StringComparison.Ordinal));
    }
}
