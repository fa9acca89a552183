using Mesh.Client.Pipeline;
using Mesh.Client.Security;
using Mesh.Client.Transport;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Security;
using Mesh.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Client.Tests.Security;

/// <summary>Certificates change while requests are under way.</summary>
public sealed class RotationTests
{
    private const string Mesh = """{ "Mode": "MESH" }""";

    [Theory]
    [InlineData("1.1")]
    [InlineData("2.0")]
    public async Task Rotate_LeavesAndRootsUnderLoad_NoRequestFails(string version)
    {
        const int Rounds = 6;
        var authority = new TestAuthority();
        var last = authority.Set("caller");
        var source = new TestCertificateSource(last);
        await using var server = await MtlsServer.StartAsync(authority.Set("reviews"));
        await using var mesh = await SecuredMesh.StartAsync(server.Address, source, Mesh);
        var load = new Load(mesh, version);
        await load.WaitForAsync(50);

        for (var round = 0; round < Rounds; round++)
        {
            // First both believe both roots, then both show what the new one has issued.
            var next = round % 2 == 0 ? authority : new TestAuthority();
            TrustBundle[] both = [new(authority.TrustDomain, [authority.Root, next.Root])];
            server.Shows = authority.Set("reviews", bundles: both);
            mesh.Rotate(source, authority.Set("caller", bundles: both));
            await load.WaitForAsync(50);
            server.Shows = next.Set("reviews", bundles: both);
            last = next.Set("caller", bundles: both);
            mesh.Rotate(source, last);
            Assert.Contains($" {last.Leaf.SerialNumber} ", await mesh.GetAsync(version), StringComparison.Ordinal);
            await load.WaitForAsync(50);
            authority = next;
        }

        Assert.Empty(await load.StopAsync());
    }

    [Theory]
    [InlineData("1.1")]
    [InlineData("2.0")]
    public async Task Rotate_RequestUnderWay_IsFinishedAndItsConnectionClosedAfterwards(string version)
    {
        var authority = new TestAuthority(now: SecuredMesh.Present);
        var time = new FakeTimeProvider(SecuredMesh.Present);
        var (gate, isUnderWay) = (new TaskCompletionSource(), new TaskCompletionSource());
        var source = new TestCertificateSource(authority.Set("caller"));
        await using var server = await MtlsServer.StartAsync(authority.Set("reviews"), time, answer: Streaming(isUnderWay, gate));
        await using var mesh = await SecuredMesh.StartAsync(server.Address, source, Mesh, outbound: SecuredMesh.NoTimeouts, fakeTime: true);
        var transport = mesh.Services.GetRequiredService<EndpointTransport>();
        var call = mesh.GetAsync(version, url: "http://reviews/stream");
        await isUnderWay.Task;

        mesh.Rotate(source, authority.Set("caller"));
        await mesh.GetAsync(version);
        Assert.Equal(2, transport.Meshed);
        Assert.Equal(2, server.Open);
        mesh.Time.Advance(TimeSpan.FromSeconds(6));

        // Nobody can take the old ones any more; what is under way goes on.
        Assert.Equal(1, transport.Meshed);
        Assert.False(call.IsCompleted);
        gate.SetResult();
        Assert.Equal("begin end", await call);
        Assert.True(SpinWait.SpinUntil(() => server.Open == 1, TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public async Task Rotate_OnlyTheBundles_SessionsThatAreResumedAreStillBelieved()
    {
        var authority = new TestAuthority();
        var intermediate = authority.CreateIntermediate();
        var first = intermediate.Set("caller");
        var source = new TestCertificateSource(first);
        await using var server = await MtlsServer.StartAsync(intermediate.Set("reviews"));
        await using var mesh = await SecuredMesh.StartAsync(
            server.Address, source, """{ "Mode": "MESH" }, "ConnectionPool": { "Http": { "MaxRequestsPerConnection": 1 } }""");
        for (var i = 0; i < 3; i++)
        {
            await mesh.GetAsync();
        }

        mesh.Rotate(source, new CertificateSet(first.Leaf, first.Intermediates, [authority.Bundle, new TestAuthority("partner.example").Bundle]));
        for (var i = 0; i < 3; i++)
        {
            await mesh.GetAsync();
        }

        // And a root that is gone is not believed any more, resumed or not.
        mesh.Rotate(source, new CertificateSet(first.Leaf, first.Intermediates, [new TestAuthority().Bundle]));
        var error = await Assert.ThrowsAsync<HttpRequestException>(() => mesh.GetAsync());
        Assert.Contains("was not issued by a known authority", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Connection_ItsCertificateExpires_IsLeftBeforeAndClosedThen()
    {
        var authority = new TestAuthority(now: SecuredMesh.Present);
        var time = new FakeTimeProvider(SecuredMesh.Present);
        var (gate, isUnderWay) = (new TaskCompletionSource(), new TaskCompletionSource());
        await using var server = await MtlsServer.StartAsync(
            authority.Set("reviews", lifetime: TimeSpan.FromMinutes(30)), time, answer: Streaming(isUnderWay, gate));
        await using var mesh = await SecuredMesh.StartAsync(
            server.Address, new TestCertificateSource(authority.Set("caller")), Mesh, outbound: SecuredMesh.NoTimeouts, fakeTime: true);
        var agenda = mesh.Services.GetRequiredService<Agenda>();
        using var response = await mesh.Http.GetAsync(
            "http://reviews/stream", HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        await isUnderWay.Task;
        var body = response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Advance(mesh, time, TimeSpan.FromMinutes(20));
        server.Shows = authority.Set("reviews", lifetime: TimeSpan.FromMinutes(55));
        Assert.Equal(1, server.Open);

        // Half of the draws are 0.5: five minutes and a half of that before the end.
        Advance(mesh, time, TimeSpan.FromMinutes(5));
        var first = await mesh.GetAsync();
        Assert.Equal(2, server.Open);
        Assert.False(body.IsCompleted);

        Advance(mesh, time, TimeSpan.FromMinutes(5.1));
        await Assert.ThrowsAnyAsync<Exception>(() => body);
        Assert.True(SpinWait.SpinUntil(() => server.Open == 1, TimeSpan.FromSeconds(30)));
        Assert.Contains(mesh.Logs.GetSnapshot(), static record => record.Id.Id == 207);

        // The other connection goes on.
        Assert.Equal(first, await mesh.GetAsync());
        Assert.Equal(1, agenda.Count);
        gate.SetResult();
    }

    [Fact]
    public async Task Connection_TheOwnCertificateExpiresAndThereIsNoOther_CallsFailAndSaySo()
    {
        var authority = new TestAuthority(now: SecuredMesh.Present);
        var time = new FakeTimeProvider(SecuredMesh.Present);
        await using var server = await MtlsServer.StartAsync(authority.Set("reviews"), time);
        await using var mesh = await SecuredMesh.StartAsync(
            server.Address, new TestCertificateSource(authority.Set("caller", lifetime: TimeSpan.FromMinutes(10))), Mesh,
            outbound: SecuredMesh.NoTimeouts, fakeTime: true);
        await mesh.GetAsync();

        Advance(mesh, time, TimeSpan.FromMinutes(10.5));

        var error = await Assert.ThrowsAsync<HttpRequestException>(() => mesh.GetAsync());
        Assert.Contains("has expired at 2030-01-02 03:14:05Z, and there is no newer one", error.Message, StringComparison.Ordinal);
        Assert.True(SpinWait.SpinUntil(() => server.Open == 0, TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public async Task Connection_Closes_LeavesNothingBehind()
    {
        var authority = new TestAuthority();
        await using var server = await MtlsServer.StartAsync(authority.Set("reviews"));
        await using var mesh = await SecuredMesh.StartAsync(
            server.Address, new TestCertificateSource(authority.Set("caller")),
            """{ "Mode": "MESH" }, "ConnectionPool": { "Http": { "MaxRequestsPerConnection": 1 } }""");
        for (var i = 0; i < 5; i++)
        {
            await mesh.GetAsync();
        }

        var agenda = mesh.Services.GetRequiredService<Agenda>();
        Assert.True(SpinWait.SpinUntil(() => agenda.Count == 0, TimeSpan.FromSeconds(30)));
        Assert.Equal(5, server.FirstBytes.Count);
    }

    [Fact]
    public async Task Send_ByConnectionsThatWereReplacedAndAreGone_IsToldFromOtherFailures()
    {
        var authority = new TestAuthority();
        using var parts = new TransportParts(new TestCertificateSource(authority.Set("caller")));
        var endpoint = new EndpointState(
            new Discovery.ServiceName("reviews", "default"), new Discovery.Endpoint { Address = new Uri("http://127.0.0.1:1"), SpeaksMtls = true });
        var taken = parts.Transport.Get(endpoint);
        taken.Replace();
        var present = parts.Transport.Get(endpoint);
        Assert.NotSame(taken, present);
        taken.Dispose();

        var error = await Assert.ThrowsAsync<ObjectDisposedException>(
            () => taken.SendAsync(new HttpRequestMessage(HttpMethod.Get, "http://reviews/"), CancellationToken.None));

        Assert.Equal(AttemptFailure.Disposed, AttemptFailures.Classify(error, hasExpired: false, CancellationToken.None));
        Assert.True(EndpointInvoker.WasReplaced(error, endpoint));
        Assert.False(EndpointInvoker.WasReplaced(new ObjectDisposedException("the application's own"), endpoint));
        present.Dispose();
        Assert.False(EndpointInvoker.WasReplaced(error, endpoint));
    }

    [Fact]
    public async Task Create_CertificatesChangeMeanwhile_TheOldOnesAreNotHandedOut()
    {
        var authority = new TestAuthority();
        var source = new TestCertificateSource(authority.Set("caller"));
        using var parts = new TransportParts(source);
        Assert.True(SpinWait.SpinUntil(() => parts.Certificates.Current is not null, TimeSpan.FromSeconds(30)));
        var endpoints = Enumerable.Range(1, 2000).Select(port => new EndpointState(
            new Discovery.ServiceName("reviews", "default"),
            new Discovery.Endpoint { Address = new Uri($"http://127.0.0.1:{port}"), SpeaksMtls = true })).ToArray();

        var creating = Task.Run(() => Parallel.ForEach(endpoints, endpoint => parts.Transport.Get(endpoint)));
        CertificateSet? last = null;
        for (var i = 0; i < 20; i++)
        {
            source.Publish(last = authority.Set("caller"));
        }

        await creating;
        Assert.True(SpinWait.SpinUntil(() => parts.Certificates.Current?.Set == last, TimeSpan.FromSeconds(30)));

        // The event comes after the change; what was made before it has been replaced by then, or is on the next look.
        Assert.True(SpinWait.SpinUntil(
            () => Array.TrueForAll(endpoints, endpoint => parts.Transport.Get(endpoint).Plan!.Trust!.Set == last), TimeSpan.FromSeconds(30)));
    }

    /// <summary>In steps, so that what comes due in between is done in between.</summary>
    private static void Advance(TestMesh mesh, FakeTimeProvider server, TimeSpan by)
    {
        for (var left = by; left > TimeSpan.Zero; left -= TimeSpan.FromSeconds(30))
        {
            mesh.Time.Advance(TimeSpan.FromSeconds(30));
            server.Advance(TimeSpan.FromSeconds(30));
        }
    }

    private static RequestDelegate Streaming(TaskCompletionSource isUnderWay, TaskCompletionSource gate) => async context =>
    {
        if (context.Request.Path != "/stream")
        {
            await context.Response.WriteAsync(context.Connection.Id);
            return;
        }

        await context.Response.WriteAsync("begin ");
        await context.Response.Body.FlushAsync();
        isUnderWay.TrySetResult();
        await gate.Task.WaitAsync(context.RequestAborted);
        await context.Response.WriteAsync("end");
    };
}
