using System.Net;
using Mesh.Discovery;
using Mesh.Server.Security;
using Microsoft.Extensions.Primitives;

namespace Mesh.Server.Tests.Security;

public sealed class ForwardedClientCertTests
{
    private const string Gateway = "cluster.local/ns/prod/sa/gateway";
    private const string Alice = "spiffe://cluster.local/ns/prod/sa/alice";

    [Theory]
    [InlineData($"URI={Alice}", Alice)]
    [InlineData($"uri={Alice}", Alice)]
    [InlineData($"By=spiffe://cluster.local/ns/prod/sa/gateway;Hash=468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688;Subject=\"/C=US/ST=CA/CN=Test, Client; \\\"x\\\"\";URI={Alice}", Alice)]
    [InlineData($"By=http://a;URI=spiffe://x/first,By=http://b;URI={Alice}", Alice)]
    [InlineData($"By=http://a;URI=spiffe://x/first , By=http://b;URI={Alice}", Alice)]
    [InlineData($"Subject=\"CN=a,URI=spiffe://x/evil\";URI={Alice}", Alice)]
    [InlineData($"URI={Alice};Subject=\"CN=a,URI=spiffe://x/evil\"", Alice)]
    [InlineData($"URI=\"{Alice}\"", Alice)]
    [InlineData($"URI={Alice},Hash=1234", null)]
    [InlineData("Hash=1234;Subject=\"\"", null)]
    public void Read_WellFormed_IsTheUriOfTheLastElement(string header, string? expected)
    {
        Assert.Null(ForwardedClientCert.Read(header, out var caller));
        Assert.Equal(expected, caller?.ToString());
    }

    [Fact]
    public void Read_SeveralLines_AreOneList()
    {
        Assert.Null(ForwardedClientCert.Read(new StringValues(["URI=spiffe://x/first", $"URI={Alice}"]), out var caller));

        Assert.Equal(Alice, caller!.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData(",")]
    [InlineData($"URI={Alice},")]
    [InlineData($"URI={Alice};")]
    [InlineData("URI")]
    [InlineData("=x")]
    [InlineData("URI=https://not-spiffe")]
    [InlineData("URI=spiffe://x/../y")]
    [InlineData("URI=")]
    [InlineData($"URI={Alice};URI={Alice}")]
    [InlineData($"Subject=\"open;URI={Alice}")]
    [InlineData($"Subject=\"a\"b;URI={Alice}")]
    [InlineData($"Subject=a\"b\";URI={Alice}")]
    public void Read_Malformed_IsRefused(string header) => Assert.NotNull(ForwardedClientCert.Read(header, out _));

    [Theory]
    [InlineData(Gateway, false)]
    [InlineData(Gateway, true)]
    [InlineData("spiffe://" + Gateway, false)]
    public async Task Header_OfANamedGateway_NamesTheCaller(string gateway, bool http2)
    {
        await using var app = await StartAsync(gateway);

        var who = await app.WhoAsync(
            app.TlsClient(app.GoodLeaf("gateway"), version: http2 ? HttpVersion.Version20 : HttpVersion.Version11),
            static request => request.Headers.TryAddWithoutValidation("x-forwarded-client-cert", $"By=x;URI={Alice}"));

        Assert.Equal(Alice, who.Peer);
        Assert.Equal("spiffe://" + Gateway, who.Gateway);
        Assert.Equal($"By=x;URI={Alice}", who.Xfcc);
    }

    [Fact]
    public async Task NoHeader_OfANamedGateway_IsTheGatewayItself()
    {
        await using var app = await StartAsync();

        var who = await app.WhoAsync(app.TlsClient(app.GoodLeaf("gateway")));

        Assert.True(who is { Peer: "spiffe://" + Gateway, Gateway: null });
    }

    [Theory]
    [InlineData("other workload")]
    [InlineData("anonymous")]
    [InlineData("plaintext")]
    public async Task Header_OfAnybodyElse_IsTakenOff(string client)
    {
        await using var app = await StartAsync();
        var http = client switch
        {
            "other workload" => app.TlsClient(app.GoodLeaf()),
            "anonymous" => app.TlsClient(null),
            _ => app.PlainClient(),
        };

        var who = await app.WhoAsync(http, static request => request.Headers.Add("X-Forwarded-Client-Cert", [$"URI={Alice}", $"URI={Alice}"]));

        Assert.Null(who.Xfcc);
        Assert.NotEqual(Alice, who.Peer);
        Assert.Null(who.Gateway);
        Assert.Contains("taken off", await app.Mesh.LogLine("X-Forwarded-Client-Cert of"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Header_MalformedByAGateway_Is400()
    {
        await using var app = await StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/who");
        request.Headers.TryAddWithoutValidation("X-Forwarded-Client-Cert", "URI=nonsense");

        var response = await app.TlsClient(app.GoodLeaf("gateway")).SendAsync(request);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Contains("'nonsense'", await app.Mesh.LogLine("A request of the gateway"), StringComparison.Ordinal);
    }

    private static Task<SecureApp> StartAsync(string gateway = Gateway) =>
        SecureApp.StartAsync(MtlsMode.Permissive, options => options.Security.Gateways.Add(gateway));
}
