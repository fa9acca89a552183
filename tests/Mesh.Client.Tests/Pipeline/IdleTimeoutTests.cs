using System.IO.Pipelines;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Mesh.Client.Pipeline;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Client.Tests.Pipeline;

public sealed class IdleTimeoutTests
{
    private const string Limit = """ "Outbound": { "IdleTimeout": "10s" } """;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Read_BodyStandsStill_FailsAndIsGivenUp(bool isSync)
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(Limit, endpoints: 1));
        var body = new ScriptedBody();
        using var response = await Headers(mesh, body);
        await using var stream = await response.Content.ReadAsStreamAsync(Cancel);
        await body.Send("abc");
        Assert.Equal(3, await stream.ReadAsync(new byte[10], Cancel));
        Assert.Equal(1, mesh.InFlight);

        var read = isSync ? Task.Run(() => stream.Read(new byte[10]), Cancel) : stream.ReadAsync(new byte[10], Cancel).AsTask();
        var error = await Assert.ThrowsAsync<IOException>(() => mesh.Finish(read, stepMs: 500));

        Assert.IsType<TimeoutException>(error.InnerException);
        Assert.Contains("reviews.default 10.0.0.1:8080", error.Message, StringComparison.Ordinal);
        Assert.Contains("10 s", error.Message, StringComparison.Ordinal);
        Assert.True(body.IsDisposed);
        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Buffer_BodyStandsStill_FailsAndIsGivenUp()
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(Limit));
        var body = new ScriptedBody();
        mesh.Endpoints.Script(() => new HttpResponseMessage { Content = new StreamContent(body) });
        await body.Send("abc");

        var error = await Assert.ThrowsAsync<HttpRequestException>(() => mesh.Finish(mesh.Http.GetStringAsync("http://reviews/", Cancel), stepMs: 500));

        Assert.IsType<TimeoutException>(Assert.IsType<IOException>(error.InnerException).InnerException);
        Assert.True(body.IsDisposed);
        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Read_BodyComesSlowly_EachByteBeginsTheTimeAnew()
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(Limit));
        var body = new ScriptedBody();
        using var response = await Headers(mesh, body);
        var text = response.Content.ReadAsStringAsync(Cancel);
        for (var i = 0; i < 5; i++)
        {
            await body.Waiting();
            mesh.Time.Advance(TimeSpan.FromSeconds(8));
            await body.Send($"{i}");
        }

        await body.Waiting();
        body.End();

        Assert.Equal("01234", await text);
        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Copy_TakerIsSlow_ItsTimeDoesNotCount()
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(Limit));
        var body = new ScriptedBody();
        using var response = await Headers(mesh, body);
        var taker = new Pipe(new PipeOptions(pauseWriterThreshold: 1, resumeWriterThreshold: 0));
        await body.Send("abc");
        body.End();
        var copy = response.Content.CopyToAsync(taker.Writer.AsStream(), Cancel);

        mesh.Time.Advance(TimeSpan.FromHours(1));
        Assert.False(copy.IsCompleted);
        taker.Reader.AdvanceTo((await taker.Reader.ReadAsync(Cancel)).Buffer.End);
        await copy;

        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Read_ReaderIsSlow_ItsTimeDoesNotCount()
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(Limit));
        var body = new ScriptedBody();
        using var response = await Headers(mesh, body);
        await using var stream = await response.Content.ReadAsStreamAsync(Cancel);

        mesh.Time.Advance(TimeSpan.FromHours(1));
        await body.Send("abc");

        Assert.Equal(3, await stream.ReadAsync(new byte[10], Cancel));
    }

    [Theory]
    [InlineData(""" "Outbound": { "IdleTimeout": "0" } """, false)]
    [InlineData(""" "Routes": { "reviews": [ { "Route": [ {} ], "IdleTimeout": "0s" } ] } """, false)]
    [InlineData(""" "Routes": { "reviews": [ { "Route": [ {} ], "IdleTimeout": "1s" } ] } """, true)]
    [InlineData(""" "Routes": { "reviews": [ { "Route": [ {} ] } ] } """, true)]
    public async Task Read_OfARoute_IsWhatTheRouteSaysElseTheDefault(string section, bool isLimited)
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(section));
        var body = new ScriptedBody();
        using var response = await Headers(mesh, body);
        await using var stream = await response.Content.ReadAsStreamAsync(Cancel);
        var read = stream.ReadAsync(new byte[10], Cancel).AsTask();

        mesh.Time.Advance(TimeSpan.FromMinutes(5) + AttemptTimeouts.Tick);
        if (isLimited)
        {
            await Assert.ThrowsAsync<IOException>(() => read);
        }
        else
        {
            await body.Send("x");
            Assert.Equal(1, await read);
        }
    }

    [Theory]
    [InlineData("", false)]
    [InlineData(""" "Routes": { "reviews": [ { "Route": [ {} ], "IdleTimeout": "1s" } ] } """, true)]
    public async Task Read_OfAGrpcCall_HasOnlyItsRoutesLimit(string section, bool isLimited)
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(section));
        var body = new ScriptedBody();
        mesh.Endpoints.Script(() => new HttpResponseMessage { Content = new StreamContent(body) });
        var request = new HttpRequestMessage(HttpMethod.Post, "http://reviews/") { Content = new ByteArrayContent([0]) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        using var response = await mesh.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancel);
        await using var stream = await response.Content.ReadAsStreamAsync(Cancel);
        var read = stream.ReadAsync(new byte[10], Cancel).AsTask();

        mesh.Time.Advance(TimeSpan.FromMinutes(10));
        await body.Send("x");

        Assert.Equal(isLimited, await read.ContinueWith(static r => r.IsFaulted, TaskScheduler.Default));
    }

    [Theory]
    [InlineData(101, "GET")]
    [InlineData(200, "CONNECT")]
    public async Task Read_OfATunnel_HasNoLimit(int status, string method)
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(Limit));
        var body = new ScriptedBody();
        mesh.Endpoints.Script(() => new HttpResponseMessage((HttpStatusCode)status) { Content = new StreamContent(body) });
        using var response = await mesh.Http.SendAsync(
            new HttpRequestMessage(new HttpMethod(method), "http://reviews/"), HttpCompletionOption.ResponseHeadersRead, Cancel);
        await using var stream = await response.Content.ReadAsStreamAsync(Cancel);
        var read = stream.ReadAsync(new byte[10], Cancel).AsTask();

        mesh.Time.Advance(TimeSpan.FromHours(1));
        await body.Send("x");

        Assert.Equal(1, await read);
    }

    [Fact]
    public async Task Read_CallerCancels_ItIsTheCallersCancellationAndTheBodyCanBeReadOn()
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(Limit));
        var body = new ScriptedBody();
        using var response = await Headers(mesh, body);
        await using var stream = await response.Content.ReadAsStreamAsync(Cancel);
        using var cancel = new CancellationTokenSource();
        var read = stream.ReadAsync(new byte[10], cancel.Token).AsTask();
        await cancel.CancelAsync();

        var error = await Assert.ThrowsAsync<TaskCanceledException>(() => read);

        Assert.Equal(cancel.Token, error.CancellationToken);
        Assert.Equal(1, mesh.InFlight);
        await body.Send("x");
        Assert.Equal(1, await stream.ReadAsync(new byte[10], Cancel));
    }

    [Theory]
    [InlineData(Limit)]
    [InlineData(""" "Outbound": { "IdleTimeout": "0" } """)]
    public async Task Read_BodyBreaksOff_IsOver(string section)
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(section));
        var body = new ScriptedBody();
        using var response = await Headers(mesh, body);
        await using var stream = await response.Content.ReadAsStreamAsync(Cancel);
        var read = stream.ReadAsync(new byte[10], Cancel).AsTask();

        body.Break(new HttpIOException(HttpRequestError.ResponseEnded));

        await Assert.ThrowsAsync<HttpIOException>(() => read);
        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Read_UnknownHost_HasTheLimitAsWell()
    {
        var body = new ScriptedBody();
        await using var mesh = await TestMesh.StartAsync(
            TestMesh.Reviews(Limit),
            builder => builder.Services.AddHttpClient("").ConfigurePrimaryHttpMessageHandler(() => new Stub(body)));
        using var response = await mesh.Http.GetAsync("http://elsewhere.example/", HttpCompletionOption.ResponseHeadersRead, Cancel);
        await using var stream = await response.Content.ReadAsStreamAsync(Cancel);

        var error = await Assert.ThrowsAsync<IOException>(
            () => mesh.Finish(stream.ReadAsync(new byte[10], Cancel).AsTask(), stepMs: 500));

        Assert.Contains("elsewhere.example", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Read_BytesAreThere_NothingIsAllocated()
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(Limit));
        mesh.Endpoints.Script(static () => new HttpResponseMessage { Content = new StreamContent(new MemoryStream(new byte[100_000])) });
        using var response = await mesh.Http.GetAsync("http://reviews/", HttpCompletionOption.ResponseHeadersRead, Cancel);
        await using var stream = await response.Content.ReadAsStreamAsync(Cancel);
        var buffer = new byte[100];
        Assert.Equal(100, Read());
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 500; i++)
        {
            Read();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        int Read()
        {
            var read = stream.ReadAsync(buffer, CancellationToken.None);
            Assert.True(read.IsCompleted);
            return read.Result;
        }
    }

    private static Task<HttpResponseMessage> Headers(TestMesh mesh, ScriptedBody body)
    {
        mesh.Endpoints.Script(() => new HttpResponseMessage { Content = new StreamContent(body) });
        return mesh.Http.GetAsync("http://reviews/", HttpCompletionOption.ResponseHeadersRead, Cancel);
    }

    private sealed class Stub(Stream body) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromResult(new HttpResponseMessage { Content = new StreamContent(body) });
    }

    /// <summary>Gives what the test sends, and waits meanwhile.</summary>
    private sealed class ScriptedBody : Stream
    {
        private readonly Pipe _pipe = new();
        private readonly SemaphoreSlim _reads = new(0);

        public bool IsDisposed { get; private set; }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public async Task Send(string text) => await _pipe.Writer.WriteAsync(Encoding.UTF8.GetBytes(text));

        public void End() => _pipe.Writer.Complete();

        public void Break(Exception error) => _pipe.Writer.Complete(error);

        /// <summary>Done when there is one more read that waits.</summary>
        public Task Waiting() => _reads.WaitAsync(TestContext.Current.CancellationToken);

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var read = _pipe.Reader.AsStream().ReadAsync(buffer, cancellationToken);
            if (!read.IsCompleted)
            {
                _reads.Release();
            }

            return await read;
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            IsDisposed = true;
            base.Dispose(disposing);
        }
    }
}
