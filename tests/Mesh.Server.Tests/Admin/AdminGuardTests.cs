using System.Net;
using Mesh.Discovery;
using Mesh.Server.Admin;
using Microsoft.AspNetCore.Http;

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
        Assert.Null(AdminGuard.Refusal(Context(peer, host), AdminAccess.Loopback));

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
        Assert.Contains(reason, AdminGuard.Refusal(Context(peer, host), AdminAccess.Loopback), StringComparison.Ordinal);

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

        Assert.Contains(header, AdminGuard.Refusal(context, AdminAccess.Loopback), StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void Refusal_Http10_IsTakenForAProxy()
    {
        var context = Context("127.0.0.1", "127.0.0.1");
        context.Request.Protocol = "HTTP/1.0";

        Assert.Contains("HTTP/1.0", AdminGuard.Refusal(context, AdminAccess.Loopback), StringComparison.Ordinal);
    }

    [Fact]
    public void Refusal_AccessAny_IsNone() =>
        Assert.Null(AdminGuard.Refusal(Context("10.0.0.1", "evil.example.com"), AdminAccess.Any));

    private static DefaultHttpContext Context(string? peer, string host)
    {
        var context = new DefaultHttpContext();
        context.Connection.RemoteIpAddress = peer is null ? null : IPAddress.Parse(peer);
        context.Request.Host = new HostString(host);
        context.Request.Protocol = "HTTP/1.1";
        return context;
    }
}
