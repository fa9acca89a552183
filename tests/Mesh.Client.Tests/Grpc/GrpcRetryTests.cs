using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Client.Tests.Grpc;

/// <summary>Calls of a real channel to a real server.</summary>
public sealed class GrpcRetryTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Unary_UnavailableTwice_SucceedsWithTheThirdAttempt()
    {
        await using var echo = await Echo.StartAsync("unavailable");
        echo.Script.Fail(StatusCode.Unavailable, times: 2);

        Assert.Equal("hello", await echo.Unary("hello"));

        Assert.Equal(["hello", "hello", "hello"], echo.Script.Seen);
        Assert.Equal(["", "2", "3"], echo.Script.Attempts);
        Assert.Equal(0, echo.Mesh.InFlight);
    }

    [Theory]
    [InlineData("unavailable", StatusCode.Unavailable, true)]
    [InlineData("resource-exhausted", StatusCode.ResourceExhausted, true)]
    [InlineData("cancelled", StatusCode.Cancelled, true)]
    [InlineData("deadline-exceeded", StatusCode.DeadlineExceeded, true)]
    [InlineData("internal", StatusCode.Internal, true)]
    [InlineData("unavailable,internal", StatusCode.Internal, true)]
    [InlineData("unavailable", StatusCode.Internal, false)]
    [InlineData("unavailable", StatusCode.Aborted, false)]
    [InlineData("5xx,reset", StatusCode.Unavailable, false)]
    [InlineData(null, StatusCode.Unavailable, false)]
    public async Task Unary_Fails_IsRepeatedForWhatTheRouteNames(string? retryOn, StatusCode status, bool isRetried)
    {
        await using var echo = await Echo.StartAsync(retryOn);
        echo.Script.Fail(status);

        if (isRetried)
        {
            Assert.Equal("hello", await echo.Unary("hello"));
        }
        else
        {
            var error = await Assert.ThrowsAsync<RpcException>(() => echo.Unary("hello"));
            Assert.Equal((status, "scripted"), (error.StatusCode, error.Status.Detail));
        }

        Assert.Equal(isRetried ? 2 : 1, echo.Script.Seen.Count);
        Assert.Equal(0, echo.Mesh.InFlight);
    }

    [Fact]
    public async Task Unary_MoreThanTheCap_IsNotRepeated()
    {
        await using var echo = await Echo.StartAsync("unavailable");
        echo.Script.Fail(StatusCode.Unavailable);

        await Assert.ThrowsAsync<RpcException>(() => echo.Unary(new string('x', 65 * 1024)));

        Assert.Single(echo.Script.Seen);
    }

    [Fact]
    public async Task ServerStream_FailsBeforeItsFirstMessage_IsRepeated()
    {
        await using var echo = await Echo.StartAsync("unavailable");
        echo.Script.Fail(StatusCode.Unavailable, times: 2);
        using var call = echo.Invoker.AsyncServerStreamingCall(EchoBase.ServerStreamMethod, null, new CallOptions(cancellationToken: Cancel), "a");

        Assert.Equal(["a 1", "a 2"], await call.ResponseStream.ReadAllAsync(Cancel).ToListAsync(Cancel));

        Assert.Equal(["a", "a", "a"], echo.Script.Seen);
        Assert.Equal(0, echo.Mesh.InFlight);
    }

    [Fact]
    public async Task ServerStream_FailsAfterItsFirstMessage_IsNotRepeated()
    {
        await using var echo = await Echo.StartAsync("unavailable");
        echo.Script.FailsAfterTheFirstMessage = true;
        echo.Script.Fail(StatusCode.Unavailable);
        using var call = echo.Invoker.AsyncServerStreamingCall(EchoBase.ServerStreamMethod, null, new CallOptions(cancellationToken: Cancel), "a");

        Assert.True(await call.ResponseStream.MoveNext(Cancel));
        Assert.Equal("a 1", call.ResponseStream.Current);
        var error = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext(Cancel));

        Assert.Equal(StatusCode.Unavailable, error.StatusCode);
        Assert.Single(echo.Script.Seen);
        Assert.Equal(0, echo.Mesh.InFlight);
    }

    [Fact]
    public async Task ClientStream_StillOpen_IsNotRepeatedAndLosesNothingSilently()
    {
        await using var echo = await Echo.StartAsync("unavailable");
        echo.Script.FailsBeforeReading = true;
        echo.Script.Fail(StatusCode.Unavailable);
        using var call = echo.Invoker.AsyncClientStreamingCall(EchoBase.ClientStreamMethod, null, new CallOptions(cancellationToken: Cancel));
        await call.RequestStream.WriteAsync("1", Cancel);

        var error = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync);

        Assert.Equal(StatusCode.Unavailable, error.StatusCode);
        Assert.Single(echo.Script.Seen);
        Assert.Contains(echo.Mesh.Logs.GetSnapshot(), static log => log.Message.Contains("its body cannot be sent twice", StringComparison.Ordinal));
        Assert.Equal(0, echo.Mesh.InFlight);
    }

    [Fact]
    public async Task ClientStream_FailsAfterItsEnd_IsRepeatedWhole()
    {
        await using var echo = await Echo.StartAsync("unavailable");
        echo.Script.Fail(StatusCode.Unavailable);
        using var call = echo.Invoker.AsyncClientStreamingCall(EchoBase.ClientStreamMethod, null, new CallOptions(cancellationToken: Cancel));
        await call.RequestStream.WriteAsync("1", Cancel);
        await call.RequestStream.WriteAsync("2", Cancel);
        await call.RequestStream.CompleteAsync();

        Assert.Equal("1 2", await call.ResponseAsync);

        Assert.Equal(["1 2", "1 2"], echo.Script.Seen);
    }

    [Fact]
    public async Task Duplex_GoesBackAndForth()
    {
        await using var echo = await Echo.StartAsync("unavailable");
        using var call = echo.Invoker.AsyncDuplexStreamingCall(EchoBase.DuplexMethod, null, new CallOptions(cancellationToken: Cancel));
        for (var i = 0; i < 100; i++)
        {
            await call.RequestStream.WriteAsync(new string('x', 1000) + i, Cancel);
            Assert.True(await call.ResponseStream.MoveNext(Cancel));
            Assert.EndsWith($"x{i}", call.ResponseStream.Current, StringComparison.Ordinal);
        }

        await call.RequestStream.CompleteAsync();

        Assert.False(await call.ResponseStream.MoveNext(Cancel));
        Assert.Equal(0, echo.Mesh.InFlight);
    }

    [Theory]
    [InlineData("x-mesh-no-retry", "1", false)]
    [InlineData("grpc-retry-pushback-ms", "5", true)]
    [InlineData("grpc-retry-pushback-ms", "-1", false)]
    [InlineData("grpc-retry-pushback-ms", "soon", false)]
    public async Task Unary_CalleeHasASayInIt_IsObeyed(string header, string value, bool isRetried)
    {
        await using var echo = await Echo.StartAsync("unavailable");
        echo.Script.Fail(StatusCode.Unavailable, trailers: new Metadata { { header, value } });

        if (isRetried)
        {
            Assert.Equal("hello", await echo.Unary("hello"));
        }
        else
        {
            Assert.Equal(StatusCode.Unavailable, (await Assert.ThrowsAsync<RpcException>(() => echo.Unary("hello"))).StatusCode);
        }

        Assert.Equal(isRetried ? 2 : 1, echo.Script.Seen.Count);
    }

    [Fact]
    public async Task Unary_TakesLong_IsHedgedElsewhere()
    {
        await using var echo = await Echo.StartAsync("unavailable", more: """, "Hedging": { "Delay": "50ms", "MaxExtraPercent": 100, "AnyMethod": true }""");
        echo.Script.HoldsTheFirst = true;

        Assert.Equal("hello", await echo.Unary("hello"));

        Assert.Equal(["hello", "hello"], echo.Script.Seen);
        Assert.Equal(["", "2"], echo.Script.Attempts);
        Assert.True(SpinWait.SpinUntil(() => echo.Mesh.InFlight == 0, TimeSpan.FromSeconds(30)));
    }

    /// <summary>A server with two addresses, a mesh that knows it, and a channel.</summary>
    private sealed class Echo(KestrelServer server, TestMesh mesh, GrpcChannel channel, EchoScript script) : IAsyncDisposable
    {
        public TestMesh Mesh => mesh;

        public EchoScript Script => script;

        public CallInvoker Invoker { get; } = channel.CreateCallInvoker();

        public static async Task<Echo> StartAsync(string? retryOn, string more = "")
        {
            var script = new EchoScript();
            var server = await KestrelServer.StartAsync(
                builder =>
                {
                    builder.Services.AddSingleton(script);
                    builder.Services.AddGrpc();
                },
                static app => app.MapGrpcService<EchoService>(),
                HttpProtocols.Http2);
            var routes = retryOn is null
                ? ""
                : $$""", "Routes": { "echo": [ { "Route": [ {} ], "Retries": { "Attempts": 2, "RetryOn": "{{retryOn}}" } {{more}} } ] }""";
            var mesh = await TestMesh.StartAsync(
                $$""" "Services": { "echo": { "Endpoints": [ { "Address": "{{server.Address}}" }, { "Address": "{{server.Address.Replace("127.0.0.1", "localhost")}}" } ] } } {{routes}} """, sockets: true);
            var handler = mesh.Services.GetRequiredService<IHttpMessageHandlerFactory>().CreateHandler();
            return new Echo(server, mesh, GrpcChannel.ForAddress("http://echo", new GrpcChannelOptions { HttpHandler = handler }), script);
        }

        public async Task<string> Unary(string request) =>
            await Invoker.AsyncUnaryCall(EchoBase.UnaryMethod, null, new CallOptions(cancellationToken: Cancel), request);

        public async ValueTask DisposeAsync()
        {
            channel.Dispose();
            await mesh.DisposeAsync();
            await server.DisposeAsync();
        }
    }
}
