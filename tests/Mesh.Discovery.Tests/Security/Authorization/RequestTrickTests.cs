using static Mesh.Discovery.Tests.Security.Authorization.Policies;

namespace Mesh.Discovery.Tests.Security.Authorization;

/// <summary>Methods, hosts and headers with several readings.</summary>
public sealed class RequestTrickTests
{
    [Theory]
    [InlineData("POST", "DELETE", true)]
    [InlineData("POST", " delete ", true)]
    [InlineData("delete", null, true)]
    [InlineData("DELETE", "GET", true)]
    [InlineData("POST", "PUT", false)]
    [InlineData("POST", null, false)]
    public void DenyMethod_Override_IsAReading(string method, string? header, bool denies) =>
        Assert.Equal(denies, Matches("DENY", "to: [ { operation: { methods: [ DELETE ] } } ]", Request(method: method, overrides: Overrides(header))));

    [Theory]
    [InlineData("GET", null, true)]
    [InlineData("GET", "GET", true)]
    [InlineData("GET", "DELETE", false)]
    [InlineData("DELETE", "GET", false)]
    [InlineData("get", null, false)]
    public void AllowMethod_Override_MustBeAllowedToo(string method, string? header, bool allows) =>
        Assert.Equal(allows, Matches("ALLOW", "to: [ { operation: { methods: [ GET ] } } ]", Request(method: method, overrides: Overrides(header))));

    [Fact]
    public void NotMethods_Override_IsAReading()
    {
        var request = Request(method: "POST", overrides: ["DELETE"]);

        Assert.False(Matches("ALLOW", "to: [ { operation: { notMethods: [ DELETE ] } } ]", request));
        Assert.True(Matches("DENY", "to: [ { operation: { notMethods: [ POST ] } } ]", request));
    }

    [Theory]
    [InlineData("admin.example.com")]
    [InlineData("ADMIN.example.com")]
    [InlineData("admin.example.com:8080")]
    [InlineData("admin.example.com.")]
    [InlineData("admin.example.com.:8080")]
    public void DenyHost_AnyWriting_IsDenied(string host)
    {
        Assert.True(Matches("DENY", "to: [ { operation: { hosts: [ admin.example.com ] } } ]", Request(host: host)));
        Assert.False(Matches("ALLOW", "to: [ { operation: { notHosts: [ admin.example.com ] } } ]", Request(host: host)));
    }

    [Theory]
    [InlineData("example.com", true)]
    [InlineData("EXAMPLE.com", true)]
    [InlineData("example.com:8080", false)]
    [InlineData("example.com.", false)]
    [InlineData("[::1]:80", false)]
    public void AllowHost_OtherWriting_IsNotAllowed(string host, bool allows)
    {
        Assert.Equal(allows, Matches("ALLOW", "to: [ { operation: { hosts: [ example.com ] } } ]", Request(host: host)));
        Assert.Equal(!allows, Matches("DENY", "to: [ { operation: { notHosts: [ example.com ] } } ]", Request(host: host)));
    }

    [Theory]
    [InlineData(false, "evil")]
    [InlineData(false, "good", "evil")]
    [InlineData(false, "evil", "good")]
    [InlineData(false, "good,evil")]
    [InlineData(false, "good, evil ")]
    [InlineData(true, "good")]
    [InlineData(true, "evil1")]
    public void DenyHeader_SeveralLines_EachIsAReading(bool isAllowed, params string[] lines) =>
        Assert.Equal(isAllowed, !Matches("DENY", "when: [ { key: \"request.headers[x-who]\", values: [ evil ] } ]", Request(headers: [("X-Who", lines)])));

    [Theory]
    [InlineData(true, "admin")]
    [InlineData(false, "admin", "guest")]
    [InlineData(false, "guest", "admin")]
    [InlineData(false, "admin", "admin")]
    [InlineData(false, "admin,guest")]
    public void AllowHeader_SeveralLines_AllMustMatch(bool allows, params string[] lines) =>
        Assert.Equal(allows, Matches("ALLOW", "when: [ { key: \"request.headers[x-role]\", values: [ admin ] } ]", Request(headers: [("x-role", lines)])));

    [Fact]
    public void DenyHeader_JoinedLines_AreAReading() =>
        Assert.True(Matches("DENY", "when: [ { key: \"request.headers[x]\", values: [ \"a,b\" ] } ]", Request(headers: [("x", ["a", "b"])])));

    private static string[]? Overrides(string? header) => header is null ? null : [header];
}
