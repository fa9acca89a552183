using System.Net;
using System.Net.Security;
using Mesh.Discovery;
using Mesh.Discovery.Security;
using Mesh.Testing;

namespace Mesh.Server.Tests.Security;

public sealed class RotationTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task NewLeaf_OpenConnection_IsLeftAfterItsNextRequest(bool http2)
    {
        await using var app = await SecureApp.StartAsync(MtlsMode.Strict);
        var client = app.TlsClient(app.GoodLeaf(), version: http2 ? HttpVersion.Version20 : HttpVersion.Version11);
        await app.WhoAsync(client);
        await app.WhoAsync(client);
        Assert.Equal(1, app.Count("ok"));

        await RotateAsync(app, app.Authority.Set("reviews", "prod"));
        await app.WhoAsync(client);
        await app.Until(() => app.Register.Count == 0);
        await app.WhoAsync(client);
        await app.WhoAsync(client);

        Assert.Equal(2, app.Count("ok"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task LeafAndRoot_RotatedUnderLoad_NoRequestFails(bool http2)
    {
        var (old, next) = (new TestAuthority(now: SecureApp.Start), new TestAuthority(now: SecureApp.Start));
        var both = new TrustBundle[] { new("cluster.local", [old.Root, next.Root]) };
        await using var app = await SecureApp.StartAsync(MtlsMode.Strict, authority: old, set: old.Set("reviews", "prod", both));
        var client = app.TlsClient(old.Leaf([old.Id("productpage", "prod").ToString()]), version: http2 ? HttpVersion.Version20 : HttpVersion.Version11);
        using var stop = new CancellationTokenSource();
        var served = 0;
        var callers = Enumerable.Range(0, 16).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                await app.WhoAsync(client);
                Interlocked.Increment(ref served);
            }
        })).ToArray();

        for (var i = 0; i < 12; i++)
        {
            var before = Volatile.Read(ref served);
            await RotateAsync(app, (i % 2 == 0 ? old : next).Set("reviews", "prod", both));
            await app.Until(() => Volatile.Read(ref served) > before + 100 || callers.Any(static caller => caller.IsFaulted));
        }

        await stop.CancelAsync();
        await Task.WhenAll(callers);
        Assert.True(app.Count("ok") > 6);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task End_OfEitherCertificate_ClosesWhateverIsCarried(bool own)
    {
        var authority = new TestAuthority(now: SecureApp.Start);
        var (soon, late) = (TimeSpan.FromMinutes(10), TimeSpan.FromHours(2));
        await using var app = await SecureApp.StartAsync(MtlsMode.Strict, authority: authority, set: authority.Set("reviews", "prod", lifetime: own ? soon : late));
        var client = app.TlsClient(authority.Leaf([authority.Id("productpage", "prod").ToString()], lifetime: own ? late : soon));
        var held = await client.GetAsync("/held", HttpCompletionOption.ResponseHeadersRead);
        await using var idle = await app.ConnectTlsAsync(authority.Leaf([authority.Id("productpage", "prod").ToString()], lifetime: own ? late : soon), SslApplicationProtocol.Http11);
        await app.Until(() => app.Register.Count == 2);

        // Into the last quarter of the lead: the idle one is closed, the busy one goes on.
        app.Mesh.Time.Advance(soon - TimeSpan.FromSeconds(29));
        app.Mesh.Time.Advance(TimeSpan.FromSeconds(25));
        await app.Until(() => app.Register.Count == 1);
        Assert.Equal(0, await idle.ReadAsync(new byte[1]));
        app.Mesh.Time.Advance(TimeSpan.FromSeconds(5));

        await Assert.ThrowsAnyAsync<Exception>(() => held.Content.ReadAsStringAsync());
        await app.Until(() => app.Register.Count == 0);
    }

    [Fact]
    public async Task NearEnd_OfThePeersCertificate_ResponseSaysItIsTheLast()
    {
        await using var app = await SecureApp.StartAsync(MtlsMode.Strict);
        var client = app.TlsClient(app.Authority.Leaf([app.Authority.Id("productpage", "prod").ToString()], lifetime: TimeSpan.FromMinutes(10)));
        Assert.Null((await client.GetAsync("/who")).Headers.ConnectionClose);

        app.Mesh.Time.Advance(TimeSpan.FromMinutes(10) - TimeSpan.FromSeconds(29));

        await app.Until(() => app.Mesh.Time.GetUtcNow() > SecureApp.Start);
        Assert.True((await client.GetAsync("/who")).Headers.ConnectionClose);
    }

    [Fact]
    public async Task Http2_DrainingConnection_GetsGoAway()
    {
        await using var app = await SecureApp.StartAsync(MtlsMode.Strict);
        var client = app.TlsClient(app.GoodLeaf(), version: HttpVersion.Version20);
        var held = client.SendAsync(
            new HttpRequestMessage(HttpMethod.Get, "/held") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact },
            HttpCompletionOption.ResponseHeadersRead);
        await app.Arrived.Task;

        await RotateAsync(app, app.Authority.Set("reviews", "prod"));
        await app.WhoAsync(client);
        await app.WhoAsync(client);
        Assert.Equal(2, app.Count("ok"));
        app.Gate.TrySetResult();

        Assert.Equal("late", await (await held).Content.ReadAsStringAsync());
        await app.Until(() => app.Register.Count == 1);
    }

    private static async Task RotateAsync(SecureApp app, CertificateSet set)
    {
        app.Source.Publish(set);
        await app.Until(() => ReferenceEquals(app.Certificates.Current?.Set, set));
    }
}
