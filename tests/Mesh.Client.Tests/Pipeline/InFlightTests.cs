using System.IO.Pipelines;
using System.Net;

namespace Mesh.Client.Tests.Pipeline;

public sealed class InFlightTests
{
    [Fact]
    public async Task Send_BodyIsBuffered_IsOver()
    {
        await using var mesh = await TestMesh.StartAsync();

        Assert.Equal("ok", await mesh.Http.GetStringAsync("http://reviews/", TestContext.Current.CancellationToken));

        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Send_HeadersOnly_CountsUntilDisposed()
    {
        await using var mesh = await TestMesh.StartAsync();

        var response = await Headers(mesh);
        Assert.Equal(1, mesh.InFlight);

        response.Dispose();
        Assert.Equal(0, mesh.InFlight);
        response.Dispose();
        Assert.Equal(0, mesh.InFlight);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Send_StreamIsRead_CountsUntilItsEnd(bool isSync)
    {
        await using var mesh = await TestMesh.StartAsync();
        using var response = await Headers(mesh);
        await using var stream = await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken);
        var buffer = new byte[2];

        Assert.Equal(2, await Read());
        Assert.Equal(0, await Read(empty: true));
        Assert.Equal(1, mesh.InFlight);

        Assert.Equal(0, await Read());
        Assert.Equal(0, mesh.InFlight);
        Assert.Equal(0, await Read());
        Assert.Equal(0, mesh.InFlight);

        async Task<int> Read(bool empty = false)
        {
            var part = empty ? Memory<byte>.Empty : buffer;
            return isSync ? stream.Read(part.Span) : await stream.ReadAsync(part, TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public async Task Send_StreamIsDisposedUnread_IsOver()
    {
        await using var mesh = await TestMesh.StartAsync();
        using var response = await Headers(mesh);

        await (await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken)).DisposeAsync();

        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Send_BodyIsCopied_CountsUntilTheCopyIsDone()
    {
        await using var mesh = await TestMesh.StartAsync();
        var pipe = new Pipe();
        mesh.Endpoints.Script(() => new HttpResponseMessage { Content = new StreamContent(pipe.Reader.AsStream()) });
        using var response = await Headers(mesh);
        using var target = new MemoryStream();

        var copy = response.Content.CopyToAsync(target, TestContext.Current.CancellationToken);
        Assert.Equal(1, mesh.InFlight);
        await pipe.Writer.WriteAsync(new byte[] { 1, 2, 3 }, TestContext.Current.CancellationToken);
        await pipe.Writer.CompleteAsync();
        await copy;

        Assert.Equal(0, mesh.InFlight);
        Assert.Equal(3, target.Length);
    }

    [Fact]
    public async Task Send_BodyBreaks_IsOver()
    {
        await using var mesh = await TestMesh.StartAsync();
        var pipe = new Pipe();
        await pipe.Writer.CompleteAsync(new IOException("broken"));
        mesh.Endpoints.Script(() => new HttpResponseMessage { Content = new StreamContent(pipe.Reader.AsStream()) });

        await Assert.ThrowsAsync<HttpRequestException>(() => mesh.Http.GetAsync("http://reviews/", TestContext.Current.CancellationToken));

        Assert.Equal(0, mesh.InFlight);
    }

    [Theory]
    [InlineData("HEAD", 200)]
    [InlineData("GET", 204)]
    [InlineData("GET", 304)]
    public async Task Send_NoBody_IsOverAtOnce(string method, int status)
    {
        await using var mesh = await TestMesh.StartAsync();
        mesh.Endpoints.Script(() =>
            new HttpResponseMessage((HttpStatusCode)status) { Content = new StreamContent(new PipeReaderStream()) });

        await mesh.Http.SendAsync(
            new HttpRequestMessage(new HttpMethod(method), "http://reviews/"), HttpCompletionOption.ResponseHeadersRead,
            TestContext.Current.CancellationToken);

        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Send_EmptyBody_IsOverAtOnce()
    {
        await using var mesh = await TestMesh.StartAsync();
        mesh.Endpoints.Script(static () => new HttpResponseMessage());

        await Headers(mesh);

        Assert.Equal(0, mesh.InFlight);
    }

    [Theory]
    [MemberData(nameof(Errors))]
    public async Task Send_Error_IsOver(Func<Exception> error)
    {
        await using var mesh = await TestMesh.StartAsync();
        mesh.Endpoints.Script(() => throw error());

        await Assert.ThrowsAnyAsync<Exception>(() => mesh.Get());

        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Send_ResponseHeadersAndTrailers_ArriveUnchanged()
    {
        await using var mesh = await TestMesh.StartAsync();
        mesh.Endpoints.Script(static () =>
        {
            var response = ScriptedEndpoints.Ok("text");
            response.Content.Headers.ContentLanguage.Add("de");
            response.Content.Headers.ContentLanguage.Add("en");
            response.TrailingHeaders.Add("x-trailer", "1");
            return response;
        });

        using var response = await Headers(mesh);

        Assert.Equal(["de", "en"], response.Content.Headers.ContentLanguage);
        Assert.Equal("text/plain; charset=utf-8", response.Content.Headers.ContentType!.ToString());
        Assert.Equal(4, response.Content.Headers.ContentLength);
        Assert.Equal("1", response.TrailingHeaders.GetValues("x-trailer").Single());
    }

    public static TheoryData<Func<Exception>> Errors => new(
        ScriptedEndpoints.ConnectFailure, ScriptedEndpoints.Reset, static () => new InvalidOperationException("a bug"),
        static () => new TaskCanceledException("not the caller's"));

    private static Task<HttpResponseMessage> Headers(TestMesh mesh) =>
        mesh.Http.GetAsync("http://reviews/", HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);

    /// <summary>Of unknown length.</summary>
    private sealed class PipeReaderStream : MemoryStream
    {
        public override bool CanSeek => false;
    }
}
