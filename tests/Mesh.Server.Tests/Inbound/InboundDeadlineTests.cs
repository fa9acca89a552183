using System.Diagnostics.Metrics;
using System.Net;
using Mesh.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Logging;

namespace Mesh.Server.Tests.Inbound;

public sealed class InboundDeadlineTests
{
    private const string Milliseconds = "x-envoy-expected-rq-timeout-ms";

    [Theory]
    [InlineData(Milliseconds, "250", 0.25)]
    [InlineData("grpc-timeout", "3S", 3)]
    [InlineData(Milliseconds, "5000,400", 0.4)]
    public async Task Deadline_OfTheCaller_IsWhatHandlersHave(string header, string value, double seconds)
    {
        await using var mesh = await MeshApp.StartAsync();
        mesh.App.MapGet("/left", static () => MeshRequestContext.Current?.Remaining?.TotalSeconds);

        var response = await SendAsync(mesh, "/left", (header, value));

        Assert.Equal(seconds, double.Parse(await response.Content.ReadAsStringAsync()));
    }

    [Fact]
    public async Task Deadline_OfBothHeaders_IsTheSmaller()
    {
        await using var mesh = await MeshApp.StartAsync();
        mesh.App.MapGet("/left", static () => MeshRequestContext.Current?.Remaining?.TotalSeconds);

        var response = await SendAsync(mesh, "/left", (Milliseconds, "9000"), ("grpc-timeout", "2S"));

        Assert.Equal("2", await response.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData(Milliseconds, "-5")]
    [InlineData(Milliseconds, "99999999999999999999999")]
    [InlineData(Milliseconds, "soon")]
    [InlineData("grpc-timeout", "5")]
    [InlineData("other", "5")]
    public async Task Deadline_NotReadable_IsNone(string header, string value)
    {
        await using var mesh = await MeshApp.StartAsync();
        mesh.App.MapGet("/left", static () => MeshRequestContext.Current is { HasExpired: true } or { Remaining: not null } ? "some" : "none");

        var response = await SendAsync(mesh, "/left", (header, value));

        Assert.Equal("none", await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Deadline_HasPassed_IsRefusedUnserved()
    {
        await using var mesh = await MeshApp.StartAsync();
        using var refused = Refused(mesh);

        var response = await SendAsync(mesh, "/gated", (Milliseconds, "0"));

        Assert.Equal(HttpStatusCode.GatewayTimeout, response.StatusCode);
        Assert.Contains("deadline", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.False(mesh.Arrived.Task.IsCompleted);
        Assert.Equal("deadline-passed", Assert.Single(refused.GetMeasurementSnapshot()).Tags["mesh.reason"]);
    }

    [Fact]
    public async Task Deadline_HasPassed_GrpcGetsItsStatusInTheHeaders()
    {
        await using var mesh = await MeshApp.StartAsync();

        var response = await mesh.Client.SendAsync(Grpc("/gated", "0n"));

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("4", response.Headers.GetValues("grpc-status").Single());
        Assert.Equal("application/grpc", response.Content.Headers.ContentType?.MediaType);
        Assert.Empty(await response.Content.ReadAsByteArrayAsync());
    }

    [Theory]
    [InlineData(700)]
    [InlineData(100)]
    public async Task Deadline_PassesMeanwhile_CancelsAndAnswers(int milliseconds)
    {
        await using var mesh = await MeshApp.StartAsync();
        using var refused = Refused(mesh);
        var call = SendAsync(mesh, "/gated", (Milliseconds, milliseconds.ToString()));
        await mesh.Arrived.Task;

        await mesh.AdvanceUntil(call);

        Assert.Equal(HttpStatusCode.GatewayTimeout, (await call).StatusCode);
        Assert.Equal("deadline-exceeded", Assert.Single(refused.GetMeasurementSnapshot()).Tags["mesh.reason"]);
    }

    /// <summary>The common timer looks every 50 ms; a nested call may be exact.</summary>
    [Theory]
    [InlineData(typeof(DeadlineExceededException))]
    [InlineData(typeof(TaskCanceledException))]
    public async Task Deadline_PassesButItsTimerIsNotThereYet_AnswersAllTheSame(Type error)
    {
        await using var mesh = await MeshApp.StartAsync();
        mesh.App.MapGet("/late", string () =>
        {
            mesh.Time.Advance(TimeSpan.FromMilliseconds(701));
            throw error == typeof(TaskCanceledException) ? new TaskCanceledException() : new DeadlineExceededException("Late.", null);
        });

        var response = await SendAsync(mesh, "/late", (Milliseconds, "701"));

        Assert.Equal(HttpStatusCode.GatewayTimeout, response.StatusCode);
        Assert.DoesNotContain(mesh.Logs.GetSnapshot(), static log => log.Level >= LogLevel.Error);
    }

    [Fact]
    public async Task Cancellation_BeforeTheDeadline_IsTheHandlersOwnError()
    {
        await using var mesh = await MeshApp.StartAsync();
        mesh.App.MapGet("/fails", static string () => throw new TaskCanceledException("Its own."));

        Assert.Equal(HttpStatusCode.InternalServerError, (await SendAsync(mesh, "/fails", (Milliseconds, "701"))).StatusCode);
    }

    [Fact]
    public async Task Deadline_PassesBelowAnExceptionHandler_AnswersAllTheSame()
    {
        await using var mesh = await MeshApp.StartAsync(
            build: static builder => builder.Services.AddExceptionHandler(static o => o.ExceptionHandler = static _ => Task.CompletedTask));
        mesh.App.UseExceptionHandler();
        var call = SendAsync(mesh, "/gated", (Milliseconds, "700"));
        await mesh.Arrived.Task;

        await mesh.AdvanceUntil(call);

        Assert.Equal(HttpStatusCode.GatewayTimeout, (await call).StatusCode);
    }

    [Fact]
    public async Task Deadline_OnceTheResponseHasStarted_IsNoneAnyMore()
    {
        await using var mesh = await MeshApp.StartAsync();
        mesh.App.MapGet("/slow", async context =>
        {
            await context.Response.StartAsync();
            mesh.Arrived.SetResult();
            await mesh.Gate.Task;
            await context.Response.WriteAsync(
                $"{context.RequestAborted.IsCancellationRequested} {MeshRequestContext.Current?.Remaining is null}");
        });
        var call = SendAsync(mesh, "/slow", (Milliseconds, "700"));
        await mesh.Arrived.Task;

        mesh.Time.Advance(TimeSpan.FromMinutes(1));

        mesh.Gate.SetResult();
        Assert.Equal("False True", await (await call).Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Deadline_OnceTheResponseHasStarted_TheCallersDepartureStillCancels()
    {
        await using var mesh = await MeshApp.StartAsync();
        var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        mesh.App.MapGet("/slow", async context =>
        {
            await context.Response.Body.FlushAsync();
            context.RequestAborted.Register(cancelled.SetResult);
            await cancelled.Task;
        });
        using var request = new HttpRequestMessage(HttpMethod.Get, "/slow") { Headers = { { Milliseconds, "700" } } };
        var response = await mesh.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);

        response.Dispose();

        await cancelled.Task;
    }

    [Theory]
    [InlineData("2S", 1)]
    [InlineData(null, null)]
    public async Task Deadline_OfAGrpcCallOnceTheResponseHasStarted_IsOnlyItsOwn(string? own, int? expected)
    {
        await using var mesh = await MeshApp.StartAsync();
        mesh.App.MapPost("/stream", async context =>
        {
            await context.Response.StartAsync();
            mesh.Time.Advance(TimeSpan.FromSeconds(1));
            await context.Response.WriteAsync(
                $"{context.RequestAborted.IsCancellationRequested} {MeshRequestContext.Current?.Remaining?.TotalSeconds}");
        });

        var response = await mesh.Client.SendAsync(Grpc("/stream", own, "700"));

        Assert.Equal($"False {expected}", await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Deadline_OfARoutePassesInAGrpcCall_CancelsAndAnswers()
    {
        await using var mesh = await MeshApp.StartAsync();
        mesh.App.MapPost("/call", async context =>
        {
            mesh.Arrived.SetResult();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => mesh.Gate.Task.WaitAsync(context.RequestAborted));
            context.Response.Headers["grpc-status"] = "2";
        });
        var call = mesh.Client.SendAsync(Grpc("/call", "5S", "700"));
        await mesh.Arrived.Task;

        await mesh.AdvanceUntil(call);

        Assert.Equal("4", (await call).Headers.GetValues("grpc-status").Single());
    }

    [Fact]
    public async Task Deadline_OffByOption_IsNotRead()
    {
        await using var mesh = await MeshApp.StartAsync(static options => options.Inbound.Deadlines = false);

        Assert.Equal(HttpStatusCode.OK, (await SendAsync(mesh, "/", (Milliseconds, "0"))).StatusCode);
    }

    [Fact]
    public async Task Deadline_OfAnUpgradeThatNobodyAccepts_Holds()
    {
        await using var mesh = await MeshApp.StartAsync();

        var response = await SendAsync(mesh, "/", (Milliseconds, "0"), ("Connection", "Upgrade"), ("Upgrade", "h2c"));

        Assert.Equal(HttpStatusCode.GatewayTimeout, response.StatusCode);
    }

    [Fact]
    public async Task Deadline_OfAWebSocket_EndsWithItsAcceptance()
    {
        await using var mesh = await MeshApp.StartAsync();
        using var web = new WebSocketEcho(mesh);
        using var socket = await web.ConnectAsync((Milliseconds, "700"));

        mesh.Time.Advance(TimeSpan.FromMinutes(1));

        Assert.Equal("hello", await WebSocketEcho.EchoAsync(socket, "hello"));
    }

    [Fact]
    public async Task Deadline_OfAHealthProbe_IsLeftAlone()
    {
        await using var mesh = await MeshApp.StartAsync();

        Assert.Equal(HttpStatusCode.OK, (await SendAsync(mesh, "/mesh/health", (Milliseconds, "0"))).StatusCode);
    }

    [Fact]
    public async Task Deadline_OfACallerThatLeaves_CancelsTheHandler()
    {
        await using var mesh = await MeshApp.StartAsync();
        var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        mesh.App.MapGet("/waits", async context =>
        {
            mesh.Arrived.SetResult();
            context.RequestAborted.Register(cancelled.SetResult);
            await cancelled.Task;
        });
        using var leaves = new CancellationTokenSource();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/waits") { Headers = { { Milliseconds, "60000" } } };
        var call = mesh.Client.SendAsync(request, leaves.Token);
        await mesh.Arrived.Task;

        leaves.Cancel();

        await cancelled.Task;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
    }

    [Fact]
    public async Task Context_OfARequestThatHasEnded_HoldsInNoWorkThatItStarted()
    {
        await using var mesh = await MeshApp.StartAsync();
        Task<string>? loop = null;
        mesh.App.MapGet("/starts", () =>
        {
            loop = LoopAsync();
            return "started";
        });

        Assert.Equal(HttpStatusCode.OK, (await SendAsync(mesh, "/starts", (Milliseconds, "700"), ("x-mesh-priority", "sheddable"))).StatusCode);

        // It may have its answer before the server is done with the request; its next one is after that.
        await SendAsync(mesh, "/");
        mesh.Time.Advance(TimeSpan.FromMinutes(1));
        mesh.Gate.SetResult();
        Assert.Equal("none", await loop!);

        async Task<string> LoopAsync()
        {
            await mesh.Gate.Task;
            return MeshRequestContext.Current is null ? "none" : "some";
        }
    }

    [Fact]
    public async Task Context_OfTheNextRequestOnTheConnection_IsClean()
    {
        await using var mesh = await MeshApp.StartAsync();
        mesh.App.MapGet("/left", static () => MeshRequestContext.Current is null ? "none" : "some");

        Assert.Equal("some", await (await SendAsync(mesh, "/left", (Milliseconds, "5000"))).Content.ReadAsStringAsync());
        Assert.Equal("none", await mesh.Client.GetStringAsync("/left"));
    }

    [Theory]
    [InlineData("sheddable", false, RequestPriority.Sheddable)]
    [InlineData("critical", false, RequestPriority.Default)]
    [InlineData("critical", true, RequestPriority.Critical)]
    [InlineData("vip", true, RequestPriority.Default)]
    public async Task Priority_OfTheCaller_IsBelievedAsFarAsTrusted(string value, bool trusted, RequestPriority expected)
    {
        await using var mesh = await MeshApp.StartAsync(options => options.Inbound.TrustPriority = trusted);
        mesh.App.MapGet("/priority", static () => (MeshRequestContext.Current?.Priority ?? RequestPriority.Default).ToString());

        var response = await SendAsync(mesh, "/priority", ("x-mesh-priority", value));

        Assert.Equal(expected.ToString(), await response.Content.ReadAsStringAsync());
    }

    private static MetricCollector<long> Refused(MeshApp mesh) =>
        new(mesh.App.Services.GetRequiredService<IMeterFactory>(), "Mesh.Server", "mesh.server.refused");

    private static HttpRequestMessage Grpc(string path, string? own, string? milliseconds = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new ByteArrayContent([]) };
        request.Content.Headers.TryAddWithoutValidation("Content-Type", "application/grpc+proto");
        foreach (var (name, value) in new[] { ("grpc-timeout", own), (Milliseconds, milliseconds) })
        {
            if (value is not null)
            {
                request.Headers.Add(name, value);
            }
        }

        return request;
    }

    private static Task<HttpResponseMessage> SendAsync(MeshApp mesh, string path, params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return mesh.Client.SendAsync(request);
    }
}
