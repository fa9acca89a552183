using System.Diagnostics.Metrics;
using System.Net;
using Mesh.Discovery;
using Mesh.Discovery.Runtime.Resilience;
using Mesh.Server.Inbound;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;

namespace Mesh.Server.Tests.Inbound;

public sealed class OverloadTests
{
    [Fact]
    public async Task Request_OverTheLimit_IsRefusedAndNotToBeRetried()
    {
        await using var mesh = await StartAsync();
        using var refused = new MetricCollector<long>(
            mesh.App.Services.GetRequiredService<IMeterFactory>(), "Mesh.Server", "mesh.server.refused");
        var first = mesh.Client.GetAsync("/gated");
        await mesh.Arrived.Task;

        var response = await mesh.Client.GetAsync("/");

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal("overload", response.Headers.GetValues("x-mesh-no-retry").Single());
        Assert.False(response.Headers.Contains("Retry-After"));
        Assert.Equal("overload", Assert.Single(refused.GetMeasurementSnapshot()).Tags["mesh.reason"]);
        mesh.Gate.SetResult();
        Assert.Equal("late", await (await first).Content.ReadAsStringAsync());
        Assert.Equal("hello", await mesh.Client.GetStringAsync("/"));
    }

    [Fact]
    public async Task Request_OverTheLimitInGrpc_IsUnavailable()
    {
        await using var mesh = await StartAsync();
        var first = mesh.Client.GetAsync("/gated");
        await mesh.Arrived.Task;
        using var request = new HttpRequestMessage(HttpMethod.Post, "/") { Content = new ByteArrayContent([]) };
        request.Content.Headers.TryAddWithoutValidation("Content-Type", "application/grpc");

        var response = await mesh.Client.SendAsync(request);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("14", response.Headers.GetValues("grpc-status").Single());
        Assert.Equal("overload", response.Headers.GetValues("x-mesh-no-retry").Single());
        mesh.Gate.SetResult();
        await first;
    }

    [Theory]
    [InlineData("/mesh/health")]
    [InlineData("/mesh/ready")]
    [InlineData("/healthz")]
    [InlineData("/Health/live")]
    [InlineData("/own")]
    public async Task Request_ForHealth_IsNeverRefused(string path)
    {
        await using var mesh = await StartAsync(static options => options.Inbound.Concurrency.ExemptPaths.Add("/own"));
        mesh.App.MapGet("/healthz", static () => "well");
        mesh.App.MapGet("/Health/live", static () => "well");
        mesh.App.MapGet("/own", static () => "well");
        var first = mesh.Client.GetAsync("/gated");
        await mesh.Arrived.Task;

        var response = await mesh.Client.GetAsync(path);

        Assert.NotNull(response.Content);
        Assert.False(response.Headers.Contains("x-mesh-no-retry"));
        mesh.Gate.SetResult();
        await first;
    }

    [Fact]
    public async Task Request_OfAnEventStream_HoldsItsPlaceUntilItBegins()
    {
        await using var mesh = await StartAsync();
        mesh.App.MapGet("/events", async context =>
        {
            context.Response.ContentType = "text/event-stream";
            await context.Response.Body.FlushAsync();
            await mesh.Gate.Task.WaitAsync(context.RequestAborted);
        });
        using var request = new HttpRequestMessage(HttpMethod.Get, "/events") { Headers = { { "Accept", "text/event-stream" } } };
        using var stream = await mesh.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);

        Assert.Equal("hello", await mesh.Client.GetStringAsync("/"));
        mesh.Gate.SetResult();
    }

    [Theory]
    [InlineData("text/event-stream", null, 200, 5)]
    [InlineData("text/event-stream", null, 404, 20)]
    [InlineData(null, null, 200, 5)]
    [InlineData(null, "14", 200, 20)]
    public async Task Request_OfAStream_IsAQuickOneOnlyIfItSucceeds(string? accept, string? grpcStatus, int status, int expected)
    {
        await using var mesh = await StartAsync(static options => options.Inbound.Concurrency.Window = TimeSpan.FromMilliseconds(10));
        var served = 0;
        mesh.App.MapPost("/stream", async context =>
        {
            var isQuick = ++served > 2 * AdaptiveLimit.MinSamples;
            mesh.Time.Advance(TimeSpan.FromMilliseconds(isQuick ? 5 : 20));
            if (isQuick)
            {
                context.Response.StatusCode = status;
                context.Response.Headers["grpc-status"] = grpcStatus;
            }

            await context.Response.Body.FlushAsync();
        });

        // The place is left when the response begins, so the next request always finds it free.
        for (var i = 0; i < 4 * AdaptiveLimit.MinSamples; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/stream") { Content = new ByteArrayContent([]) };
            if (accept is null)
            {
                request.Content.Headers.TryAddWithoutValidation("Content-Type", "application/grpc");
            }
            else
            {
                request.Headers.Add("Accept", accept);
            }

            using var response = await mesh.Client.SendAsync(request);
            Assert.NotEqual(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        }

        var limit = mesh.App.Services.GetRequiredService<InboundAdmission>().Limit;
        Assert.Equal(expected, limit.Latency.TotalMilliseconds, 0.1);
    }

    [Theory]
    [InlineData("h2c")]
    [InlineData("websocket")]
    public async Task Request_ThatOnlyWishesAnUpgrade_IsRefusedLikeAnyOther(string protocol)
    {
        await using var mesh = await StartAsync();
        var first = mesh.Client.GetAsync("/gated");
        await mesh.Arrived.Task;
        using var request = new HttpRequestMessage(HttpMethod.Get, "/") { Headers = { { "Connection", "Upgrade" }, { "Upgrade", protocol } } };

        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await mesh.Client.SendAsync(request)).StatusCode);
        mesh.Gate.SetResult();
        await first;
    }

    [Fact]
    public async Task Request_OfAnUpgradeThatIsNotAccepted_HoldsItsPlaceToTheEnd()
    {
        await using var mesh = await StartAsync();
        mesh.App.MapGet("/slow", async context =>
        {
            await context.Response.Body.FlushAsync();
            await mesh.Gate.Task.WaitAsync(context.RequestAborted);
        });
        using var request = new HttpRequestMessage(HttpMethod.Get, "/slow") { Headers = { { "Connection", "Upgrade" }, { "Upgrade", "h2c" } } };
        using var slow = await mesh.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await mesh.Client.GetAsync("/")).StatusCode);
        mesh.Gate.SetResult();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Request_OfAWebSocket_HoldsItsPlaceUntilItIsAccepted(int httpVersion)
    {
        await using var mesh = await StartAsync(build: httpVersion == 2 ? WebSocketEcho.UseHttp2 : null);
        using var web = new WebSocketEcho(mesh);
        using var socket = await web.ConnectAsync(httpVersion);

        Assert.Equal("hello", await web.GetAsync("/", httpVersion));
        Assert.Equal("echo", await WebSocketEcho.EchoAsync(socket, "echo"));
    }

    [Fact]
    public async Task Request_ThatFails_GivesItsPlaceBack()
    {
        await using var mesh = await StartAsync();
        mesh.App.MapGet("/broken", static IResult () => throw new InvalidOperationException("Broken."));

        Assert.Equal(HttpStatusCode.InternalServerError, (await mesh.Client.GetAsync("/broken")).StatusCode);
        Assert.Equal("hello", await mesh.Client.GetStringAsync("/"));
    }

    [Fact]
    public async Task Request_OverTheLimitInShadow_IsServedAndCounted()
    {
        await using var mesh = await StartAsync(static options => options.Inbound.Concurrency.Mode = AdaptiveConcurrencyMode.Shadow);
        using var over = new MetricCollector<long>(
            mesh.App.Services.GetRequiredService<IMeterFactory>(), "Mesh.Server", "mesh.server.over_limit");
        using var limit = new MetricCollector<int>(
            mesh.App.Services.GetRequiredService<IMeterFactory>(), "Mesh.Server", "mesh.server.limit");
        var first = mesh.Client.GetAsync("/gated");
        await mesh.Arrived.Task;

        Assert.Equal("hello", await mesh.Client.GetStringAsync("/"));

        over.RecordObservableInstruments();
        limit.RecordObservableInstruments();
        Assert.Equal(1, over.LastMeasurement?.Value);
        Assert.Equal(1, limit.LastMeasurement?.Value);
        mesh.Gate.SetResult();
        await first;
    }

    private static Task<MeshApp> StartAsync(Action<MeshOptions>? configure = null, Action<WebApplicationBuilder>? build = null) =>
        MeshApp.StartAsync(
            options =>
            {
                var concurrency = options.Inbound.Concurrency;
                concurrency.Mode = AdaptiveConcurrencyMode.Enforce;
                (concurrency.MinLimit, concurrency.MaxLimit, concurrency.MaxWait) = (1, 1, TimeSpan.Zero);
                configure?.Invoke(options);
            },
            build);
}
