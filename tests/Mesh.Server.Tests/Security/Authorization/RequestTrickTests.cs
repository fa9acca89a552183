using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Mesh.Server.Tests.Security.Authorization;

/// <summary>Requests that are written to get past a rule, as bytes, through real Kestrel and ASP.NET's routing.</summary>
public sealed class RequestTrickTests
{
    private static readonly string[] s_targets =
    [
        "/admin", "/admin/", "/ADMIN", "/aDmIn/users", "//admin", "/admin//x", "/./admin", "/x/../admin", "/x/./../admin/./y", "/../admin",
        "/%61dmin", "/%41%44MIN/x", "/adm%69n", "/%2e/admin", "/x/%2e%2e/admin", "/x/.%2e/admin", "/x/%2e./admin",
        "/admin%2fx", "/x/..%2fadmin", "/x%2f..%2fadmin", "/%2561dmin", "/x/%252e%252e/admin",
        "/admin;x=1", "/admin/;x", "/x/..;/admin", "/admin/\\x", "/\\admin", "/x\\..\\admin", "/admin%5cx", "/x/..%5cadmin",
        "/admin?x=1", "/admin/?/../public", "/admin/%3f", "/admin#x", "/admin/#/../public", "/public/../admin", "/public/%2e%2e/admin/x",
        "http://ratings/admin", "http://ratings/x/../%61dmin", "http://ratings//admin", "http://ratings/admin/x#y",
    ];

    [Theory]
    [InlineData("""[ { "Name": "d", "Action": "DENY", "Rules": [ { "To": [ { "Paths": [ "/admin*" ] } ] } ] } ]""")]
    [InlineData("""[ { "Name": "d", "Action": "DENY", "Rules": [ { "To": [ { "Paths": [ "/admin/{**}" ] } ] } ] } ]""")]
    [InlineData("""[ { "Name": "d", "Action": "DENY", "Rules": [ { "To": [ { "NotPaths": [ "/public*" ] } ] } ] } ]""")]
    [InlineData("""[ { "Name": "a", "Rules": [ { "To": [ { "NotPaths": [ "/admin", "/admin/*" ] } ] } ] } ]""")]
    [InlineData("""[ { "Name": "a", "Rules": [ { "To": [ { "Paths": [ "/public*" ] } ] } ] } ]""")]
    public async Task Target_ThatRoutingTakesForAdmin_NeverGetsThere(string policies)
    {
        await using var open = await GuardedApp.StartAsync("[]");
        await using var guarded = await GuardedApp.StartAsync(policies);
        var reached = 0;
        foreach (var target in s_targets)
        {
            await open.GetRawAsync(target);
            var isAdmin = open.Served.TryDequeue(out var served) && served == "GET admin";
            reached += isAdmin ? 1 : 0;

            var answer = await guarded.GetRawAsync(target);

            // What Kestrel itself refuses never gets to anybody.
            Assert.True(
                answer.StartsWith("HTTP/1.1 403", StringComparison.Ordinal) || answer.StartsWith("HTTP/1.1 400", StringComparison.Ordinal)
                || (!isAdmin && answer.StartsWith("HTTP/1.1 200", StringComparison.Ordinal)),
                $"{target}: {answer}");
        }

        Assert.InRange(reached, 20, s_targets.Length);
        Assert.DoesNotContain("GET admin", guarded.Served);
    }

    [Theory]
    [InlineData("POST", "X-HTTP-Method-Override: DELETE\n")]
    [InlineData("POST", "x-http-method-override: delete\n")]
    [InlineData("POST", "X-HTTP-Method: DELETE\n")]
    [InlineData("POST", "X-Method-Override: DELETE\n")]
    [InlineData("POST", "X-HTTP-Method-Override: POST\nX-HTTP-Method-Override: DELETE\n")]
    [InlineData("DELETE", "X-HTTP-Method-Override: POST\n")]
    [InlineData("delete", "")]
    public async Task MethodOverride_ToADeniedMethod_IsDenied(string method, string headers)
    {
        await using var deny = await GuardedApp.StartAsync("""[ { "Name": "d", "Action": "DENY", "Rules": [ { "To": [ { "Methods": [ "DELETE" ] } ] } ] } ]""");
        await using var allow = await GuardedApp.StartAsync("""[ { "Name": "a", "Rules": [ { "To": [ { "Methods": [ "POST" ] } ] } ] } ]""");

        Assert.StartsWith("HTTP/1.1 403", await deny.GetRawAsync("/public", method, $"Host: ratings\n{headers}"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 403", await allow.GetRawAsync("/public", method, $"Host: ratings\n{headers}"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 200", await deny.GetRawAsync("/public", "POST"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 200", await allow.GetRawAsync("/public", "POST"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("X-Forwarded-Client-Cert: By=spiffe://cluster.local/ns/default/sa/ratings;URI=spiffe://cluster.local/ns/default/sa/reviews\n")]
    [InlineData("X-Mesh-Peer: spiffe://cluster.local/ns/default/sa/reviews\n")]
    [InlineData("X-Spiffe-Id: spiffe://cluster.local/ns/default/sa/reviews\n")]
    [InlineData("X-Envoy-Peer-Metadata-Id: sidecar~10.0.0.1~reviews.default~default.svc.cluster.local\n")]
    [InlineData("l5d-client-id: reviews.default.serviceaccount.identity.linkerd.cluster.local\n")]
    [InlineData("X-Consul-Source: reviews\n")]
    public async Task Header_WithAnIdentity_IsNone(string headers)
    {
        await using var app = await GuardedApp.StartAsync(
            """[ { "Name": "a", "Rules": [ { "From": [ { "Principals": [ "cluster.local/ns/default/sa/reviews" ] } ] } ] } ]""");

        Assert.StartsWith("HTTP/1.1 403", await app.GetRawAsync("/public", headers: $"Host: ratings\n{headers}"), StringComparison.Ordinal);

        Assert.Contains("a caller without identity", Assert.Single(app.Lines(2040)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("X-Role: guest\nX-Role: admin\n")]
    [InlineData("X-Role: admin\nX-Role: guest\n")]
    [InlineData("x-role: admin\nX-ROLE: admin\n")]
    [InlineData("X-Role: admin, guest\n")]
    public async Task Header_SeveralTimes_IsNotAllowed(string headers)
    {
        await using var app = await GuardedApp.StartAsync(
            """[ { "Name": "a", "Rules": [ { "When": [ { "Key": "request.headers[X-Role]", "Values": [ "admin" ] } ] } ] } ]""");

        Assert.StartsWith("HTTP/1.1 403", await app.GetRawAsync("/public", headers: $"Host: ratings\n{headers}"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 200", await app.GetRawAsync("/public", headers: "Host: ratings\nX-Role: admin\n"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Host: internal\n", "403")]
    [InlineData("Host: INTERNAL\n", "403")]
    [InlineData("Host: internal:8080\n", "403")]
    [InlineData("Host: internal.\n", "403")]
    [InlineData("Host: other\nHost: internal\n", "400")]
    [InlineData("Host: other\n", "200")]
    public async Task Host_Denied_InAnyWriting(string headers, string status)
    {
        await using var app = await GuardedApp.StartAsync("""[ { "Name": "d", "Action": "DENY", "Rules": [ { "To": [ { "Hosts": [ "internal" ] } ] } ] } ]""");

        Assert.StartsWith($"HTTP/1.1 {status}", await app.GetRawAsync("/public", headers: headers), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("internal", "other")]
    [InlineData("internal", null)]
    [InlineData(null, "internal")]
    public async Task Authority_AgainstHost_TheOneThatTheApplicationSeesCounts(string? authority, string? host)
    {
        await using var app = await GuardedApp.StartAsync(
            """[ { "Name": "d", "Action": "DENY", "Rules": [ { "To": [ { "Hosts": [ "internal" ] } ] } ] } ]""", protocols: HttpProtocols.Http2);

        Assert.Equal("RBAC: access denied", await SendHttp2Async(app.Address.Port, authority, host));
        Assert.Equal("public", await SendHttp2Async(app.Address.Port, "other", null));
    }

    [Theory]
    [InlineData("other", "internal")]
    public async Task Authority_Allowed_HostIsNotLookedAt(string authority, string host)
    {
        await using var app = await GuardedApp.StartAsync(
            """[ { "Name": "a", "Rules": [ { "To": [ { "Hosts": [ "internal" ] } ] } ] } ]""", protocols: HttpProtocols.Http2);

        Assert.NotEqual("public", await SendHttp2Async(app.Address.Port, authority, host));
        Assert.Empty(app.Served);
    }

    /// <summary>One GET of <c>/public</c> in HTTP/2 without TLS; returns the body, or nothing if the stream is reset.</summary>
    private static async Task<string> SendHttp2Async(int port, string? authority, string? host)
    {
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(IPAddress.Loopback, port);
        await using var stream = tcp.GetStream();
        var block = new MemoryStream();
        Field(block, ":method", "GET");
        Field(block, ":scheme", "http");
        Field(block, ":path", "/public");
        Field(block, ":authority", authority);
        Field(block, "host", host);
        await stream.WriteAsync("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray());
        await stream.WriteAsync(Frame(type: 4, flags: 0, id: 0, []));
        await stream.WriteAsync(Frame(type: 1, flags: 5, id: 1, block.ToArray()));
        var body = new StringBuilder();
        var head = new byte[9];
        while (true)
        {
            await stream.ReadExactlyAsync(head);
            var payload = new byte[(head[0] << 16) | (head[1] << 8) | head[2]];
            await stream.ReadExactlyAsync(payload);
            if (BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(5)) != 1)
            {
                continue;
            }

            if (head[3] == 0)
            {
                body.Append(Encoding.UTF8.GetString(payload));
            }

            // The end of the stream, or its reset.
            if (head[3] == 3 || (head[3] is 0 or 1 && (head[4] & 1) != 0))
            {
                return body.ToString();
            }
        }

        static byte[] Frame(byte type, byte flags, int id, byte[] payload) =>
            [0, (byte)(payload.Length >> 8), (byte)payload.Length, type, flags, 0, 0, 0, (byte)id, .. payload];

        static void Field(MemoryStream block, string name, string? value)
        {
            if (value is not null)
            {
                // A literal without indexing, its name a literal too (RFC 7541, 6.2.2).
                block.Write([0, (byte)name.Length, .. Encoding.ASCII.GetBytes(name), (byte)value.Length, .. Encoding.ASCII.GetBytes(value)]);
            }
        }
    }
}
