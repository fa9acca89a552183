using System.Net;
using System.Text;
using Mesh.Client.Pipeline;
using Mesh.Discovery;
using Mesh.Discovery.Catalogs;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Client.Tests.Pipeline;

public sealed class RetryTests
{
    private const string RetryOn = """ "Routes": { "reviews": [ { "Route": [ { } ], "Retries": { "Attempts": 2, "RetryOn": "{0}" } } ] } """;

    [Fact]
    public async Task Send_AllAttemptsFail_TriesThreeEndpointsAndHandsOverTheLastResponse()
    {
        await using var mesh = await TestMesh.StartAsync();
        mesh.Endpoints.Answer = static (n, _) =>
        {
            var response = ScriptedEndpoints.Status(503);
            response.Headers.Add("x-attempt", $"{n}");
            return Task.FromResult(response);
        };

        using var response = await mesh.Get();

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal("2", response.Headers.GetValues("x-attempt").Single());
        Assert.Equal(3, mesh.Endpoints.Attempts.Select(static a => a.Address).Distinct().Count());
        Assert.Equal(3, mesh.Endpoints.Attempts.Count);
        Assert.Equal(0, mesh.InFlight);
    }

    [Theory]
    [InlineData("GET", 503, true)]
    [InlineData("PUT", 503, true)]
    [InlineData("DELETE", 503, true)]
    [InlineData("POST", 503, false)]
    [InlineData("PATCH", 503, false)]
    [InlineData("GET", 500, false)]
    [InlineData("GET", 502, false)]
    [InlineData("GET", 404, false)]
    public async Task Send_DefaultPolicy_Repeats503OfIdempotentMethods(string method, int status, bool isRetried)
    {
        await using var mesh = await TestMesh.StartAsync();
        mesh.Endpoints.Script(() => ScriptedEndpoints.Status(status), () => ScriptedEndpoints.Ok());

        using var response = await mesh.Finish(mesh.Http.SendAsync(new HttpRequestMessage(new HttpMethod(method), "http://reviews/")));

        Assert.Equal(isRetried ? 200 : status, (int)response.StatusCode);
        Assert.Equal(isRetried ? 2 : 1, mesh.Endpoints.Attempts.Count);
        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Send_PostWithIdempotencyKey_IsRepeated()
    {
        await using var mesh = await TestMesh.StartAsync();
        mesh.Endpoints.Script(() => throw ScriptedEndpoints.Reset(), () => ScriptedEndpoints.Ok());
        var request = new HttpRequestMessage(HttpMethod.Post, "http://reviews/") { Content = new StringContent("x") };
        request.Headers.Add("Idempotency-Key", "1");

        using var response = await mesh.Finish(mesh.Http.SendAsync(request));

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Fact]
    public async Task Send_ConnectFailure_RepeatsAnyMethodAndStreamingBodyWithoutPause()
    {
        await using var mesh = await TestMesh.StartAsync();
        mesh.Endpoints.Answer = static async (n, attempt) =>
            n < 2 ? throw ScriptedEndpoints.ConnectFailure() : ScriptedEndpoints.Ok(await attempt.Request.Content!.ReadAsStringAsync());
        var content = new StreamContent(new OneWayStream("once"));

        // The clock stands: another endpoint is tried at once.
        using var response = await mesh.Http.PostAsync("http://reviews/", content, TestContext.Current.CancellationToken);

        Assert.Equal("once", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal(3, mesh.Endpoints.Attempts.Select(static a => a.Address).Distinct().Count());
    }

    [Fact]
    public async Task Send_ResetOfPost_SurfacesTheFirstException()
    {
        await using var mesh = await TestMesh.StartAsync();
        mesh.Endpoints.Script(() => throw ScriptedEndpoints.Reset());

        var error = await Assert.ThrowsAsync<HttpRequestException>(() => mesh.Post());

        Assert.Equal(HttpRequestError.ResponseEnded, error.HttpRequestError);
        Assert.Single(mesh.Endpoints.Attempts);
        Assert.Equal(0, mesh.InFlight);
    }

    [Theory]
    [InlineData("5xx", 500)]
    [InlineData("gateway-error", 502)]
    [InlineData("retriable-4xx", 409)]
    [InlineData("429", 429)]
    public async Task Send_ExplicitRetryOn_RepeatsAnyMethod(string words, int status)
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(RetryOn.Replace("{0}", words)));
        mesh.Endpoints.Script(() => ScriptedEndpoints.Status(status), () => ScriptedEndpoints.Ok());

        using var response = await mesh.Post();

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(2, mesh.Endpoints.Attempts.Count);
    }

    [Fact]
    public async Task Send_BodyThatCannotBeSentTwice_FirstFailureIsFinalAndLogged()
    {
        await using var mesh = await TestMesh.StartAsync();
        mesh.Endpoints.Script(() => ScriptedEndpoints.Status(503));

        using var response = await mesh.Finish(mesh.Http.PutAsync("http://reviews/", new StreamContent(new OneWayStream("once"))));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Single(mesh.Endpoints.Attempts);
        Assert.Contains(mesh.Logs.GetSnapshot(), static log => log.Message.Contains("its body cannot be sent twice", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Send_SeekableBody_IsSentWholeAgain()
    {
        await using var mesh = await TestMesh.StartAsync();
        mesh.Endpoints.Answer = static async (n, attempt) =>
        {
            using var sent = new MemoryStream();
            await attempt.Request.Content!.CopyToAsync(sent);
            return n == 0 ? ScriptedEndpoints.Status(503) : ScriptedEndpoints.Ok(Encoding.UTF8.GetString(sent.ToArray()));
        };
        var content = new StreamContent(new MemoryStream("again"u8.ToArray()));

        using var response = await mesh.Finish(mesh.Http.PutAsync("http://reviews/", content));

        Assert.Equal("again", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public void CanReplay_LengthSetByHandOnAStreamThatCannotSeek_IsFalse()
    {
        var content = new StreamContent(new OneWayStream("once"));
        content.Headers.ContentLength = 4;

        Assert.False(RetryDecision.CanReplay(content, 64));
    }

    [Fact]
    public void CanReplay_MoreThanTheCap_IsFalse()
    {
        Assert.True(RetryDecision.CanReplay(new ByteArrayContent(new byte[64]), 64));
        Assert.False(RetryDecision.CanReplay(new ByteArrayContent(new byte[65]), 64));
        Assert.False(RetryDecision.CanReplay(new StreamContent(new MemoryStream(new byte[65])), 64));
    }

    [Fact]
    public async Task Send_CallerCancels_IsNotRetriedAndLeavesNothingInFlight()
    {
        await using var mesh = await TestMesh.StartAsync();
        var sent = new TaskCompletionSource();
        mesh.Endpoints.Answer = (_, attempt) =>
        {
            sent.SetResult();
            return attempt.Hang();
        };
        using var cancel = new CancellationTokenSource();
        var call = mesh.Http.GetAsync("http://reviews/", cancel.Token);
        await sent.Task;
        Assert.Equal(1, mesh.InFlight);

        await cancel.CancelAsync();

        var error = await Assert.ThrowsAsync<TaskCanceledException>(() => call);
        Assert.Equal(cancel.Token, error.CancellationToken);
        Assert.Single(mesh.Endpoints.Attempts);
        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Send_CallerCancelsDuringThePause_LeavesNothingInFlight()
    {
        await using var mesh = await TestMesh.StartAsync();
        var response = new Disposable(503);
        mesh.Endpoints.Script(() => response);
        using var cancel = new CancellationTokenSource();
        var call = mesh.Http.GetAsync("http://reviews/", cancel.Token);

        // The clock stands, so the call is in its pause now; the first endpoint is free already.
        Assert.Single(mesh.Endpoints.Attempts);
        Assert.False(call.IsCompleted);
        Assert.True(response.IsDisposed);
        Assert.Equal(0, mesh.InFlight);

        await cancel.CancelAsync();
        await Assert.ThrowsAsync<TaskCanceledException>(() => call);
        Assert.Single(mesh.Endpoints.Attempts);
        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Send_CancelledBefore_IsNotSent()
    {
        await using var mesh = await TestMesh.StartAsync();
        using var invoker = new HttpMessageInvoker(
            mesh.Services.GetRequiredService<IHttpMessageHandlerFactory>().CreateHandler(), disposeHandler: false);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => invoker.SendAsync(
            new HttpRequestMessage(HttpMethod.Get, "http://reviews/"), new CancellationToken(canceled: true)));

        Assert.Empty(mesh.Endpoints.Attempts);
        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Send_SingleEndpoint_IsTriedAgainAfterAPause()
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(endpoints: 1));
        mesh.Endpoints.Script(() => throw ScriptedEndpoints.ConnectFailure(), () => ScriptedEndpoints.Ok());
        var call = mesh.Http.GetAsync("http://reviews/", TestContext.Current.CancellationToken);
        Assert.Single(mesh.Endpoints.Attempts);

        // At most the base interval.
        mesh.Time.Advance(TimeSpan.FromMilliseconds(25));

        using var response = await call;
        Assert.Equal(2, mesh.Endpoints.Attempts.Count);
    }

    [Fact]
    public void Backoff_GrowsToTenTimesTheBase()
    {
        Assert.Equal([25, 50, 100, 200, 250, 250], Enumerable.Range(1, 6).Select(static n => RetryDecision.Backoff(n, 1).TotalMilliseconds));
        Assert.Equal(TimeSpan.FromMilliseconds(250), RetryDecision.Backoff(1000, 1));
        Assert.Equal(TimeSpan.Zero, RetryDecision.Backoff(3, 0));
    }

    [Fact]
    public async Task Send_EndpointRetiredBetweenPickAndSend_PicksAgainEvenWithoutRetries()
    {
        var catalog = new ScriptedCatalog();
        var first = new Endpoint { Address = new Uri("http://10.0.0.1:80") };
        catalog.First = [first];
        await using var mesh = await TestMesh.StartAsync(
            """ "Discovery": { "Providers": [ "Scripted" ] }, "Outbound": { "RetryAttempts": 0 } """,
            builder => builder.Services.AddSingleton<IEndpointCatalog>(catalog));
        mesh.Endpoints.Answer = (n, _) =>
        {
            if (n > 0)
            {
                return Task.FromResult(ScriptedEndpoints.Ok());
            }

            catalog.Observer.ServiceChanged(ServiceName.Resolve("reviews", "default"), [new Endpoint { Address = new Uri("http://10.0.0.2:80") }]);
            throw new ObjectDisposedException("handler");
        };

        using var response = await mesh.Http.GetAsync("http://reviews/", TestContext.Current.CancellationToken);

        Assert.Equal(["10.0.0.1:80", "10.0.0.2:80"], mesh.Endpoints.Attempts.Select(static a => a.Endpoint.Address.Host + ":80"));
        Assert.Equal(["10.0.0.1"], mesh.Endpoints.Disposed.Select(static d => d.Split(':')[0]));
    }

    [Fact]
    public async Task Send_ContentOfTheCallerIsDisposed_IsNotTakenForUnsent()
    {
        await using var mesh = await TestMesh.StartAsync();
        mesh.Endpoints.Script(() => throw new ObjectDisposedException("the caller's stream"));

        await Assert.ThrowsAsync<ObjectDisposedException>(() => mesh.Post());

        Assert.Single(mesh.Endpoints.Attempts);
        Assert.Equal(0, mesh.InFlight);
    }

    [Theory]
    [InlineData("14", 2)]
    [InlineData("13", 1)]
    public async Task Send_GrpcTrailersOnly_IsRepeatedForTheListedStatus(string status, int attempts)
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(RetryOn.Replace("{0}", "unavailable")));
        mesh.Endpoints.Answer = (n, _) =>
        {
            var response = new HttpResponseMessage();
            response.Headers.Add("grpc-status", n == 0 ? status : "0");
            return Task.FromResult(response);
        };

        using var response = await mesh.Post();

        Assert.Equal(attempts, mesh.Endpoints.Attempts.Count);
    }

    [Fact]
    public async Task Send_RefusedStream_IsRepeatedForAnyMethod()
    {
        await using var mesh = await TestMesh.StartAsync();
        mesh.Endpoints.Script(
            () => throw new HttpRequestException("refused", new HttpProtocolException(7, "REFUSED_STREAM", null)), () => ScriptedEndpoints.Ok());

        using var response = await mesh.Post();

        Assert.Equal(2, mesh.Endpoints.Attempts.Count);
    }

    private sealed class Disposable(int status) : HttpResponseMessage((HttpStatusCode)status)
    {
        public bool IsDisposed { get; private set; }

        protected override void Dispose(bool disposing)
        {
            IsDisposed = true;
            base.Dispose(disposing);
        }
    }
}
