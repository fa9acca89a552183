using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Mesh.Client.Pipeline;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Mesh.Client.Tests.Pipeline;

public sealed class RecordedBodyTests
{
    private const int Cap = (int)RetryGate.ReplayCap;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("1.1", false, false)]
    [InlineData("1.1", true, false)]
    [InlineData("1.1", false, true)]
    [InlineData("2.0", false, false)]
    [InlineData("2.0", true, false)]
    [InlineData("2.0", false, true)]
    public async Task Send_OneWayStreamToAFailingEndpoint_ArrivesWholeAgainWithItsHeaders(string version, bool expectsContinue, bool hasLength)
    {
        var seen = new List<string>();
        await using var server = await KestrelServer.StartAsync(
            async context =>
            {
                var body = await new StreamReader(context.Request.Body).ReadToEndAsync();
                lock (seen)
                {
                    seen.Add($"{context.Request.ContentType} {context.Request.ContentLength?.ToString() ?? "-"} {body}");
                    context.Response.StatusCode = seen.Count < 3 ? 503 : 200;
                }

                await context.Response.WriteAsync(body);
            },
            version == "2.0" ? HttpProtocols.Http2 : HttpProtocols.Http1);
        await using var mesh = await Mesh(server);
        using var content = new OwnedContent(new OneWayStream("streamed"));
        content.Headers.ContentType = new MediaTypeHeaderValue("text/odd");
        content.Headers.ContentLength = hasLength ? 8 : null;
        using var request = new HttpRequestMessage(HttpMethod.Put, "http://reviews/")
        {
            Version = Version.Parse(version),
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content,
        };
        request.Headers.ExpectContinue = expectsContinue;
        var headers = request.Headers.ToString();

        using var response = await mesh.Http.SendAsync(request, Cancel);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("streamed", await response.Content.ReadAsStringAsync(Cancel));
        Assert.Equal(Enumerable.Repeat($"text/odd {(hasLength ? "8" : "-")} streamed", 3), seen);
        Assert.Same(content, request.Content);
        Assert.Same(request, response.RequestMessage);
        Assert.Equal(headers, request.Headers.ToString());
        Assert.False(content.IsDisposed);
        Assert.Equal(0, mesh.InFlight);
    }

    [Theory]
    [InlineData(Cap, 2)]
    [InlineData(Cap + 1, 1)]
    public async Task Send_OneWayStream_IsRepeatedUpToTheCap(int size, int attempts)
    {
        await using var mesh = await TestMesh.StartAsync();
        var bodies = Receive(mesh, failures: 1);
        var bytes = new byte[size];
        new Random(1).NextBytes(bytes);

        using var response = await mesh.Finish(mesh.Http.PutAsync("http://reviews/", new StreamContent(new OneWayStream(bytes))));

        Assert.Equal(attempts, bodies.Count);
        Assert.All(bodies, body => Assert.Equal(bytes, body));
        Assert.Equal(attempts == 2 ? HttpStatusCode.OK : HttpStatusCode.ServiceUnavailable, response.StatusCode);
    }

    [Fact]
    public async Task Send_FormWithParts_IsRepeated()
    {
        await using var mesh = await TestMesh.StartAsync();
        var bodies = Receive(mesh, failures: 2);
        using var form = new MultipartFormDataContent("bound")
        {
            { new StringContent("1"), "one" },
            { new StreamContent(new OneWayStream("2")), "two" },
        };

        using var response = await mesh.Finish(mesh.Http.PutAsync("http://reviews/", form));

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(3, bodies.Count);
        Assert.Single(bodies.Select(Encoding.UTF8.GetString).Distinct());
        Assert.All(mesh.Endpoints.Attempts, static a => Assert.Contains("boundary=\"bound\"", a.Request.Content!.Headers.ToString(), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Send_BodyStillOpenWhenTheAttemptFails_IsNotRepeated()
    {
        await using var mesh = await TestMesh.StartAsync();
        var content = new OpenContent();
        mesh.Endpoints.Answer = async (_, attempt) =>
        {
            var copying = attempt.Request.Content!.CopyToAsync(new MemoryStream());
            await content.Started;
            Assert.False(copying.IsCompleted);
            return ScriptedEndpoints.Status(503);
        };

        using var response = await mesh.Finish(mesh.Http.PutAsync("http://reviews/", content));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Single(mesh.Endpoints.Attempts);
        Assert.Contains(mesh.Logs.GetSnapshot(), static log => log.Message.Contains("its body cannot be sent twice", StringComparison.Ordinal));
        content.End();
    }

    [Fact]
    public async Task Send_ResponseIsThereWhileTheBodyIsOpen_TheRestIsWrittenAndNotKept()
    {
        await using var mesh = await TestMesh.StartAsync();
        var content = new OpenContent();
        var written = new MemoryStream();
        Task? copying = null;
        HttpContent? sent = null;
        mesh.Endpoints.Answer = async (_, attempt) =>
        {
            sent = attempt.Request.Content;
            copying = sent!.CopyToAsync(written);
            await content.Started;
            return ScriptedEndpoints.Ok();
        };

        using var response = await mesh.Finish(mesh.Http.PutAsync("http://reviews/", content));
        content.End();
        await copying!;

        Assert.Equal("first last", Encoding.UTF8.GetString(written.ToArray()));
        Assert.False(RetryDecision.CanReplay(sent, Cap));
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("bytes")]
    [InlineData("seekable")]
    [InlineData("long")]
    [InlineData("no retries")]
    public async Task Send_NothingToGain_TheCallersOwnMessageIsSent(string what)
    {
        await using var mesh = await TestMesh.StartAsync(
            TestMesh.Reviews(what == "no retries" ? """ "Outbound": { "RetryAttempts": 0 } """ : ""));
        var request = new HttpRequestMessage(HttpMethod.Put, "http://reviews/")
        {
            Content = what switch
            {
                "GET" => null,
                "bytes" => new StringContent("x"),
                "seekable" => new StreamContent(new MemoryStream(new byte[10])),
                "long" => new StreamContent(new MemoryStream(new byte[Cap + 1])),
                _ => new StreamContent(new OneWayStream("x")),
            },
        };

        using var response = await mesh.Finish(mesh.Http.SendAsync(request));

        Assert.Same(request, mesh.Endpoints.Attempts.Single().Request);
    }

    [Fact]
    public async Task Send_RouteChangesTheRequest_TheBodyIsRepeatedAsWell()
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(
            """ "Routes": { "reviews": [ { "Rewrite": { "Uri": "/new" }, "Route": [ {} ] } ] } """));
        var bodies = Receive(mesh, failures: 1);

        using var response = await mesh.Finish(mesh.Http.PutAsync("http://reviews/", new StreamContent(new OneWayStream("x"))));

        Assert.Equal(["x", "x"], bodies.Select(Encoding.UTF8.GetString));
        Assert.All(mesh.Endpoints.Attempts, static a => Assert.Equal("/new", a.Uri.AbsolutePath));
    }

    [Fact]
    public void Send_Synchronously_IsRepeated()
    {
        var content = new StreamContent(new OneWayStream("once"));
        var recorded = RecordedBody.Record(new HttpRequestMessage { Content = content, RequestUri = new Uri("http://a/") }, isOwn: false, Cap).Content!;

        Assert.False(RetryDecision.CanReplay(recorded, Cap));
        foreach (var _ in new int[2])
        {
            using var written = new MemoryStream();
            recorded.CopyTo(written, null, Cancel);
            Assert.Equal("once", Encoding.UTF8.GetString(written.ToArray()));
            Assert.True(RetryDecision.CanReplay(recorded, Cap));
        }
    }

    [Fact]
    public async Task Send_EarlyResponseOverHttp2_TheUploadIsWrittenToItsEndFirst()
    {
        await using var server = await KestrelServer.StartAsync(
            static async context =>
            {
                await context.Response.StartAsync();
                await context.Request.Body.CopyToAsync(Stream.Null);
            },
            HttpProtocols.Http2);
        await using var mesh = await Mesh(server);
        var stream = new OneWayStream(new byte[1_000_000]);
        using var request = new HttpRequestMessage(HttpMethod.Put, "http://reviews/")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new StreamContent(stream),
        };

        using var response = await mesh.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancel);

        // Its content closes it when it has been read.
        Assert.False(stream.CanRead);
    }

    [Fact]
    public async Task Serialize_TheTransportStartsAgainWhileTheBodyIsOpen_FailsInPlaceOfLosingIt()
    {
        var content = new OpenContent();
        var recorded = RecordedBody.Record(new HttpRequestMessage { Content = content, RequestUri = new Uri("http://a/") }, isOwn: false, Cap).Content!;
        var first = recorded.CopyToAsync(new MemoryStream(), Cancel);

        var error = await Assert.ThrowsAnyAsync<Exception>(() => recorded.CopyToAsync(new MemoryStream(), Cancel));

        Assert.Contains("cannot be sent twice", $"{error}", StringComparison.Ordinal);
        content.End();
        await first;
        await recorded.CopyToAsync(new MemoryStream(), Cancel);
    }

    private static List<byte[]> Receive(TestMesh mesh, int failures)
    {
        var bodies = new List<byte[]>();
        mesh.Endpoints.Answer = async (n, attempt) =>
        {
            using var sent = new MemoryStream();
            await attempt.Request.Content!.CopyToAsync(sent);
            bodies.Add(sent.ToArray());
            return n < failures ? ScriptedEndpoints.Status(503) : ScriptedEndpoints.Ok();
        };
        return bodies;
    }

    private static Task<TestMesh> Mesh(KestrelServer server) => TestMesh.StartAsync(
        $$""" "Services": { "reviews": { "Endpoints": [ { "Address": "{{server.Address}}" } ] } } """, sockets: true);

    /// <summary>The caller's, to dispose.</summary>
    private sealed class OwnedContent(Stream stream) : StreamContent(stream)
    {
        public bool IsDisposed { get; private set; }

        protected override void Dispose(bool disposing)
        {
            IsDisposed = true;
            base.Dispose(disposing);
        }
    }

    /// <summary>Writes a part, and the rest when it is told to.</summary>
    private sealed class OpenContent : HttpContent
    {
        private readonly TaskCompletionSource _started = new();
        private readonly TaskCompletionSource _end = new();

        public Task Started => _started.Task;

        public void End() => _end.SetResult();

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync("first "u8.ToArray());
            _started.SetResult();
            await _end.Task;
            await stream.WriteAsync("last"u8.ToArray());
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
