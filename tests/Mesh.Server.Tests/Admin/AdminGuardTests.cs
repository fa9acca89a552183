using System.Net;
using Mesh.Discovery;
using Mesh.Discovery.Security;
using Mesh.Server.Admin;
using Mesh.Server.Security;
using Mesh.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mesh.Server.Tests.Admin;

public sealed class AdminGuardTests
{
    [Theory]
    [InlineData("127.0.0.1", "localhost")]
    [InlineData("127.8.8.8", "LOCALHOST:5000")]
    [InlineData("::1", "[::1]:5000")]
    [InlineData("::ffff:127.0.0.1", "127.0.0.1:5000")]
    [InlineData("::ffff:127.0.0.9", "10.0.0.1")]
    public void Refusal_DirectFromThisMachine_IsNone(string peer, string host) =>
        Assert.Null(Guard().Refusal(Context(peer, host)));

    [Theory]
    [InlineData("10.0.0.1", "localhost", "another machine")]
    [InlineData("::ffff:10.0.0.1", "localhost", "another machine")]
    [InlineData("fe80::1", "localhost", "another machine")]
    [InlineData(null, "localhost", "no IP address")]
    [InlineData("127.0.0.1", "evil.example.com", "Host")]
    [InlineData("127.0.0.1", "localhost.example.com", "Host")]
    [InlineData("127.0.0.1", "127.0.0.1.example.com", "Host")]
    [InlineData("127.0.0.1", "", "Host")]
    public void Refusal_Otherwise_SaysWhy(string? peer, string host, string reason) =>
        Assert.Contains(reason, Guard().Refusal(Context(peer, host)), StringComparison.Ordinal);

    [Theory]
    [InlineData("Forwarded")]
    [InlineData("x-forwarded-for")]
    [InlineData("X-Forwarded-Host")]
    [InlineData("X-Forwarded-Proto")]
    [InlineData("X-Original-For")]
    [InlineData("X-Real-IP")]
    [InlineData("Via")]
    public void Refusal_TraceOfAProxy_NamesTheHeader(string header)
    {
        var context = Context("127.0.0.1", "localhost");
        context.Request.Headers[header] = "";

        Assert.Contains(header, Guard().Refusal(context), StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void Refusal_Http10_IsTakenForAProxy()
    {
        var context = Context("127.0.0.1", "127.0.0.1");
        context.Request.Protocol = "HTTP/1.0";

        Assert.Contains("HTTP/1.0", Guard().Refusal(context), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("cluster.local/ns/ops/sa/console", "spiffe://cluster.local/ns/ops/sa/console", true)]
    [InlineData("spiffe://cluster.local/ns/ops/sa/console", "spiffe://cluster.local/ns/ops/sa/console", true)]
    [InlineData("cluster.local/ns/ops/*", "spiffe://cluster.local/ns/ops/sa/console", true)]
    [InlineData("*/sa/console", "spiffe://cluster.local/ns/ops/sa/console", true)]
    [InlineData("*", "spiffe://cluster.local/ns/ops/sa/console", true)]
    [InlineData("*", null, false)]
    [InlineData("cluster.local/ns/ops/sa/console", null, false)]
    [InlineData("cluster.local/ns/ops/sa/console", "spiffe://cluster.local/ns/ops/sa/console2", false)]
    [InlineData("cluster.local/ns/ops/sa/console", "spiffe://evil.example/ns/ops/sa/console", false)]
    [InlineData("cluster.local/ns/ops/*", "spiffe://evil.example/ns/ops/sa/console", false)]
    [InlineData("", "spiffe://cluster.local/ns/ops/sa/console", false)]
    public async Task Refusal_NamedIdentityFromElsewhere_IsNone(string identity, string? caller, bool isAllowed)
    {
        var context = Context("10.0.0.1", "reviews.prod");
        context.Features.Set(new InboundConnection(443, caller is not null, caller is null ? null : SpiffeId.Parse(caller)));
        await using var certificates = await CertificatesAsync();

        Assert.Equal(isAllowed, Guard(identity, certificates).Refusal(context) is null);
    }

    [Fact]
    public async Task Refusal_NamedIdentityThroughAGatewayOrProxy_Remains()
    {
        await using var certificates = await CertificatesAsync();
        var id = SpiffeId.Parse("spiffe://cluster.local/ns/ops/sa/console");
        var forwarded = Context("127.0.0.1", "localhost");
        forwarded.Features.Set(new InboundConnection(443, true, id) { Gateway = id });
        var proxied = Context("10.0.0.1", "localhost");
        proxied.Features.Set(new InboundConnection(443, true, id));
        proxied.Request.Headers["Forwarded"] = "for=1.2.3.4";

        Assert.Contains("gateway", Guard("*", certificates).Refusal(forwarded), StringComparison.Ordinal);
        Assert.Contains("Forwarded", Guard("*", certificates).Refusal(proxied), StringComparison.Ordinal);
    }

    private static async Task<MeshCertificates> CertificatesAsync()
    {
        var source = new TestCertificateSource(new TestAuthority().Set("reviews"));
        var certificates = new MeshCertificates(source, TimeProvider.System, SystemRandomSource.Instance, NullLogger<MeshCertificates>.Instance);
        certificates.Start();
        await certificates.Ready;
        return certificates;
    }

    private static AdminGuard Guard(string identity = "", MeshCertificates? certificates = null)
    {
        var options = new MeshOptions();
        if (identity.Length > 0)
        {
            options.Admin.Identities.Add(identity);
        }

        return new AdminGuard(
            options.Admin,
            options.Security,
            certificates ?? new MeshCertificates(null, TimeProvider.System, SystemRandomSource.Instance, NullLogger<MeshCertificates>.Instance));
    }

    private static DefaultHttpContext Context(string? peer, string host)
    {
        var context = new DefaultHttpContext();
        context.Connection.RemoteIpAddress = peer is null ? null : IPAddress.Parse(peer);
        context.Request.Host = new HostString(host);
        context.Request.Protocol = "HTTP/1.1";
        return context;
    }
}
