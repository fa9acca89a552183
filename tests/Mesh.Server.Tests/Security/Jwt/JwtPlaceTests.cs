using System.Buffers.Text;
using System.Text;
using System.Text.Json.Nodes;

namespace Mesh.Server.Tests.Security.Jwt;

/// <summary>Where tokens are, and what of them the application sees.</summary>
public sealed class JwtPlaceTests
{
    private static readonly TokenIssuer s_issuer = new();

    [Theory]
    [InlineData("Bearer ")]
    [InlineData("bearer ")]
    [InlineData("BEARER   ")]
    public async Task Token_InAuthorization_IsTakenOut(string scheme)
    {
        await using var app = await JwtApp.StartAsync(JwtApp.Rule(s_issuer));

        var seen = await app.SeeAsync("/who", ("Authorization", scheme + s_issuer.Token()));

        Assert.NotNull(seen.Principal);
        Assert.DoesNotContain("authorization", seen.Headers.Keys);
    }

    [Theory]
    [InlineData("?access_token={0}", "")]
    [InlineData("?a=%20b+c&access_token={0}&a=2&flag", "?a=%20b+c&a=2&flag")]
    [InlineData("?a=1&Access%5FToken={0}", "?a=1")]
    public async Task Token_InTheQuery_IsTakenOutAndTheRestStays(string query, string rest)
    {
        await using var app = await JwtApp.StartAsync(JwtApp.Rule(s_issuer));

        var seen = await app.SeeAsync("/who" + string.Format(null, query, s_issuer.Token()));

        Assert.NotNull(seen.Principal);
        Assert.Equal(rest, seen.Query);
        Assert.Equal("/who" + rest, seen.Target);
    }

    [Fact]
    public async Task Token_InBothDefaultPlaces_IsOneToken()
    {
        var token = s_issuer.Token();
        await using var app = await JwtApp.StartAsync(JwtApp.Rule(s_issuer));

        var seen = await app.SeeAsync("/who?access_token=" + token, ("Authorization", "Bearer " + token));

        Assert.NotNull(seen.Principal);
        Assert.Equal("", seen.Query);
        Assert.DoesNotContain("authorization", seen.Headers.Keys);
    }

    [Fact]
    public async Task Token_InAHeaderOfItsOwn_IsBehindThePrefix()
    {
        await using var app = await JwtApp.StartAsync(JwtApp.Rule(
            s_issuer, ("FromHeaders", new JsonArray(new JsonObject { ["Name"] = "X-Jwt", ["Prefix"] = "JWT " }, new JsonObject { ["Name"] = "x-bare" }))));

        Assert.NotNull((await app.SeeAsync("/who", ("x-jwt", "JWT " + s_issuer.Token()))).Principal);
        Assert.NotNull((await app.SeeAsync("/who", ("x-bare", s_issuer.Token()))).Principal);
        Assert.Null((await app.SeeAsync("/who", ("x-jwt", s_issuer.Token()))).Principal);
        var elsewhere = await app.SeeAsync("/who", ("Authorization", "Bearer " + s_issuer.Token()));
        Assert.Null(elsewhere.Principal);
        Assert.Contains("authorization", elsewhere.Headers.Keys);
    }

    [Theory]
    [InlineData("session={0}", null)]
    [InlineData("a=1; session={0};b=2", "a=1; b=2")]
    [InlineData("sess%69on={0}; a", "a")]
    public async Task Token_InACookie_IsTakenOutAndTheOthersStay(string cookies, string? rest)
    {
        await using var app = await JwtApp.StartAsync(JwtApp.Rule(s_issuer, ("FromCookies", new JsonArray("session"))));

        var seen = await app.SeeAsync("/who", ("Cookie", string.Format(null, cookies, s_issuer.Token())));

        Assert.NotNull(seen.Principal);
        Assert.Equal(rest, seen.Headers.GetValueOrDefault("cookie"));
    }

    [Fact]
    public async Task Token_InAParameterOfItsOwn_IsFound()
    {
        await using var app = await JwtApp.StartAsync(JwtApp.Rule(s_issuer, ("FromParams", new JsonArray("t"))));

        Assert.NotNull((await app.SeeAsync("/who?t=" + s_issuer.Token())).Principal);
    }

    [Fact]
    public async Task Token_ThatIsForwarded_StaysWhereItIs()
    {
        var token = s_issuer.Token();
        await using var app = await JwtApp.StartAsync(JwtApp.Rule(s_issuer, ("ForwardOriginalToken", true)));

        var seen = await app.SeeAsync("/who?access_token=" + token, ("Authorization", "Bearer " + token));

        Assert.Equal("Bearer " + token, seen.Headers["authorization"]);
        Assert.Equal("?access_token=" + token, seen.Query);
    }

    [Fact]
    public async Task Claims_ThatARuleGivesOut_AreInTheirHeaders()
    {
        await using var app = await JwtApp.StartAsync(WithOutputs());
        var claims = s_issuer.Claims(
            ("level", 7), ("admin", true), ("realm", new JsonObject { ["role"] = "boss" }), ("https://a.example/b", "url"),
            ("list", new JsonArray("a")), ("lines", "a\r\nx-evil: 1"));

        var seen = await app.SeeAsync(
            "/who", ("Authorization", "Bearer " + s_issuer.Sign(claims)), ("X-Payload", "forged"), ("x-SUB", "forged"), ("x-none", "forged"), ("x-list", "forged"));

        Assert.Equal(claims, Encoding.UTF8.GetString(Base64Url.DecodeFromChars(seen.Headers["x-payload"])));
        Assert.Equal(
            ["alice", "7", "true", "boss", "url"],
            new[] { "x-sub", "x-level", "x-admin", "x-role", "x-url" }.Select(name => seen.Headers[name]));
        Assert.DoesNotContain(seen.Headers.Keys, static name => name is "x-none" or "x-list" or "x-lines" or "x-evil");
    }

    [Fact]
    public async Task Headers_ThatOnlyTheTokenMaySet_AreTakenFromWhoeverSendsThem()
    {
        await using var app = await JwtApp.StartAsync(WithOutputs());

        var seen = await app.SeeAsync("/who", ("X-Payload", "forged"), ("x-sub", "root"), ("X-ADMIN", "true"), ("x-mine", "1"));

        Assert.Null(seen.Principal);
        Assert.DoesNotContain(seen.Headers.Keys, static name => name is "x-payload" or "x-sub" or "x-admin");
        Assert.Equal("1", seen.Headers["x-mine"]);
    }

    private static JsonObject WithOutputs()
    {
        (string Header, string Claim)[] outputs =
        [
            ("X-Sub", "sub"), ("x-level", "level"), ("x-admin", "admin"), ("x-role", "realm.role"), ("x-url", "https://a.example/b"),
            ("x-none", "nothing"), ("x-list", "list"), ("x-lines", "lines"),
        ];
        return JwtApp.Rule(
            s_issuer,
            ("OutputPayloadToHeader", "x-payload"),
            ("OutputClaimToHeaders", new JsonArray([.. outputs.Select(static o => (JsonNode)new JsonObject { ["Header"] = o.Header, ["Claim"] = o.Claim })])));
    }
}
