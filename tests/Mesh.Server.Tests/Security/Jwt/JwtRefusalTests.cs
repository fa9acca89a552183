using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;

namespace Mesh.Server.Tests.Security.Jwt;

/// <summary>Everything that must not pass, and what is said of it.</summary>
public sealed class JwtRefusalTests
{
    private static readonly TokenIssuer s_issuer = new();
    private static readonly TokenIssuer s_stranger = new();

    private static readonly Dictionary<string, (string Reason, Func<string> Token)> s_tokens = new()
    {
        ["no signature, alg none"] = ("algorithm", static () => s_issuer.Sign(s_issuer.Claims(), "none")),
        ["alg none in other case"] = ("algorithm", static () => s_issuer.SignRaw("""{ "alg": "nOnE" }""", s_issuer.Claims(), "none")),
        ["alg none with a signature"] = ("algorithm", static () => s_issuer.SignRaw("""{ "alg": "none" }""", s_issuer.Claims(), "RS256")),
        ["no alg"] = ("algorithm", static () => s_issuer.SignRaw("{}", s_issuer.Claims(), "RS256")),
        ["alg that is no text"] = ("malformed", static () => s_issuer.SignRaw("""{ "alg": [ "RS256" ] }""", s_issuer.Claims(), "RS256")),
        ["signature cut off"] = ("malformed", static () => s_issuer.SignRaw("""{ "alg": "RS256" }""", s_issuer.Claims(), "none")),
        ["HMAC with the public key"] = ("algorithm", static () => s_issuer.Sign(s_issuer.Claims(), "HS256")),
        ["HMAC that says RS256"] = ("signature", static () => s_issuer.SignRaw("""{ "alg": "RS256", "kid": "k1" }""", s_issuer.Claims(), "HS256")),
        ["EC signature that says RS256"] = ("signature", static () => s_issuer.SignRaw("""{ "alg": "RS256", "kid": "k1" }""", s_issuer.Claims(), "ES256")),
        ["ES384 by a key for ES256"] = ("unknown-key", static () => s_issuer.SignRaw("""{ "alg": "ES384", "kid": "k1" }""", s_issuer.Claims(), "ES256")),
        ["signature in DER"] = ("signature", static () => WithDerSignature()),
        ["wrong key"] = ("signature", static () => s_stranger.Token()),
        ["wrong key without a name"] = ("signature", static () => s_stranger.Sign(s_issuer.Claims(), id: null)),
        ["key of the token itself, jwk"] = ("signature", static () =>
            s_stranger.Sign(s_issuer.Claims(), moreHeader: $", \"jwk\": {s_stranger.RsaKey("k1")}")),
        ["key of the token itself, jku and x5u"] = ("signature", static () =>
            s_stranger.Sign(s_issuer.Claims(), moreHeader: ", \"jku\": \"http://127.0.0.1:9/\", \"x5u\": \"http://127.0.0.1:9/\"")),
        ["unknown key"] = ("unknown-key", static () => s_issuer.Sign(s_issuer.Claims(), id: "../k1")),
        ["claims changed"] = ("signature", static () => WithClaims(s_issuer.Token(), s_issuer.Claims(("sub", "root")))),
        ["header changed"] = ("signature", static () => WithHeader(s_issuer.Sign(s_issuer.Claims(), id: null), """{ "alg": "RS256", "kid": "k1" }""")),
        ["wrong issuer"] = ("issuer", static () => s_issuer.Token(("iss", "https://issuer.example/"))),
        ["issuer in other case"] = ("issuer", static () => s_issuer.Token(("iss", "https://ISSUER.example"))),
        ["no issuer"] = ("issuer", static () => s_issuer.Token(("iss", null))),
        ["issuer that is no text"] = ("malformed", static () => s_issuer.Token(("iss", new JsonArray(TokenIssuer.DefaultName)))),
        ["wrong audience"] = ("audience", static () => s_issuer.Token(("aud", "shop"))),
        ["audience with a slash more"] = ("audience", static () => s_issuer.Token(("aud", "books/"))),
        ["no audience"] = ("audience", static () => s_issuer.Token(("aud", null))),
        ["audience that is a number"] = ("malformed", static () => s_issuer.Token(("aud", 1))),
        ["expired"] = ("expired", static () => s_issuer.Token(("aud", "books"), ("exp", TokenIssuer.Now - 61))),
        ["expired long ago"] = ("expired", static () => s_issuer.Token(("aud", "books"), ("exp", -1))),
        ["not yet valid"] = ("not-yet-valid", static () => s_issuer.Token(("aud", "books"), ("nbf", TokenIssuer.Now + 62))),
        ["no expiry"] = ("no-expiry", static () => s_issuer.Token(("aud", "books"), ("exp", null))),
        ["expiry that is a text"] = ("malformed", static () => s_issuer.Token(("aud", "books"), ("exp", "4000000000"))),
        ["expiry beyond all numbers"] = ("malformed", static () => s_issuer.Sign($$"""{ "iss": "{{s_issuer.Name}}", "aud": "books", "exp": 1e999 }""")),
        ["subject that is a number"] = ("malformed", static () => s_issuer.Token(("aud", "books"), ("sub", 7))),
        ["claim that is there twice"] = ("malformed", static () =>
            s_issuer.Sign($$"""{ "iss": "{{s_issuer.Name}}", "aud": "books", "exp": 4000000000, "sub": "a", "sub": "b" }""")),
        ["claim that is there twice, written in two ways"] = ("malformed", static () =>
            s_issuer.Sign($$"""{ "iss": "{{s_issuer.Name}}", "aud": "books", "exp": 4000000000, "sub": "a", "s\u0075b": "b" }""")),
        ["alg that is there twice"] = ("malformed", static () =>
            s_issuer.SignRaw("""{ "alg": "none", "alg": "RS256", "kid": "k1" }""", s_issuer.Claims(), "RS256")),
        ["half of a character"] = ("malformed", static () =>
            s_issuer.Sign($$"""{ "iss": "{{s_issuer.Name}}", "aud": "books", "exp": 4000000000, "name": "\ud800" }""")),
        ["critical header"] = ("critical-header", static () => s_issuer.Sign(s_issuer.Claims(("aud", "books")), moreHeader: """, "crit": [ "exp" ], "exp": 1""")),
        ["payload that is not encoded"] = ("critical-header", static () =>
            s_issuer.Sign(s_issuer.Claims(("aud", "books")), moreHeader: """, "b64": false, "crit": [ "b64" ]""")),
        ["encrypted"] = ("encrypted", static () => $"{TokenIssuer.Encode("{\"alg\":\"RSA-OAEP\",\"enc\":\"A256GCM\"}"u8.ToArray())}.AA.AA.AA.AA"),
        ["encrypted, says a signed one"] = ("encrypted", static () => s_issuer.Sign(s_issuer.Claims(), moreHeader: ", \"enc\": \"A256GCM\"")),
        ["nested"] = ("malformed", static () => s_issuer.Sign($"\"{s_issuer.Token()}\"")),
        ["claims that are no object"] = ("malformed", static () => s_issuer.Sign("[]")),
        ["claims that are nothing"] = ("malformed", static () => s_issuer.Sign("")),
        ["too deep"] = ("malformed", static () => s_issuer.Sign($$"""{ "iss": "{{s_issuer.Name}}", "a": {{new string('[', 40)}}{{new string(']', 40)}} }""")),
        ["not UTF-8"] = ("malformed", static () => $"{TokenIssuer.Encode([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])}.e30.AA"),
        ["two parts"] = ("malformed", static () => "a.b"),
        ["four parts"] = ("malformed", static () => s_issuer.Token() + ".AA"),
        ["many parts"] = ("malformed", static () => new string('.', 1000)),
        ["garbage"] = ("malformed", static () => "!!! ' OR 1=1"),
        ["padded"] = ("malformed", static () => s_issuer.Token() + "=="),
        ["two in one"] = ("malformed", static () => $"{s_issuer.Token(("aud", "books"))}, Bearer {s_issuer.Token(("aud", "books"))}"),
        ["two in one without a scheme"] = ("malformed", static () => $"{s_issuer.Token(("aud", "books"))},{s_issuer.Token(("aud", "books"))}"),
        ["oversized"] = ("oversized", static () => s_issuer.Token(("aud", "books"), ("x", new string('x', 13000)))),
    };

    public static TheoryData<string> Tokens => [.. s_tokens.Keys];

    [Theory]
    [MemberData(nameof(Tokens))]
    public async Task Token_ThatIsNotGood_IsRefusedForItsReason(string name)
    {
        var (reason, create) = s_tokens[name];
        var token = create();
        await using var app = await JwtApp.StartAsync(JwtApp.Rule(s_issuer, ("Audiences", new JsonArray("books"))));

        using var response = await app.SendTokenAsync(token);

        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        Assert.Equal("Bearer error=\"invalid_token\"", response.Headers.WwwAuthenticate.ToString());
        Assert.Equal("Jwt verification fails", await response.Content.ReadAsStringAsync());
        Assert.Equal(0, app.Served);
        Assert.Equal([$"refused {reason}"], app.Results);
        await app.Mesh.LogLine($"A token was refused: {reason}.");
        Assert.DoesNotContain(app.Mesh.Logs.GetSnapshot(), log => log.Message.Contains(token[..Math.Min(token.Length, 30)], StringComparison.Ordinal)
            && token.Length > 30);
    }

    [Fact]
    public async Task Authorization_TwiceInARequest_IsRefused()
    {
        var good = s_issuer.Token();
        await using var app = await JwtApp.StartAsync(JwtApp.Rule(s_issuer));

        foreach (var second in (string[])[$"Bearer {good}", "Bearer x", "Basic dTpw"])
        {
            Assert.StartsWith("HTTP/1.1 401", await SendRawAsync(app, $"Authorization: Bearer {good}\r\nAuthorization: {second}"), StringComparison.Ordinal);
            Assert.StartsWith("HTTP/1.1 401", await SendRawAsync(app, $"Authorization: {second}\r\nAuthorization: Bearer {good}"), StringComparison.Ordinal);
        }

        Assert.Equal(Enumerable.Repeat("refused several-tokens", 6), app.Results);
        Assert.Equal(0, app.Served);
    }

    [Theory]
    [InlineData("/who?access_token={0}", "Bearer {1}")]
    [InlineData("/who?access_token={1}", "Bearer {0}")]
    [InlineData("/who?access_token={0}&access_token={0}", null)]
    [InlineData("/who?access_token={0}&ACCESS_TOKEN={1}", null)]
    [InlineData("/who?access_token={0}&acces%73_token={1}", null)]
    [InlineData("/who", "Basic dTpw, Bearer {0}")]
    public async Task Tokens_OfWhichItIsNotClearWhichIsMeant_AreRefused(string path, string? authorization)
    {
        var (good, other) = (s_issuer.Token(), s_issuer.Token(("sub", "bob")));
        await using var app = await JwtApp.StartAsync(JwtApp.Rule(s_issuer));

        using var response = await app.SendAsync(
            string.Format(null, path, good, other), authorization is null ? [] : [("Authorization", string.Format(null, authorization, good, other))]);

        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        Assert.Equal(["refused several-tokens"], app.Results);
    }

    [Fact]
    public async Task Tokens_OfTwoIssuersAtTheirPlaces_AreRefused()
    {
        var second = new TokenIssuer("https://second.example");
        await using var app = await JwtApp.StartAsync(
            JwtApp.Rule(s_issuer), JwtApp.Rule(second, ("FromHeaders", new JsonArray(new JsonObject { ["Name"] = "x-second" }))));

        using var response = await app.SendAsync("/who", ("Authorization", $"Bearer {s_issuer.Token()}"), ("x-second", second.Token()));

        Assert.Equal(["refused several-tokens"], app.Results);
    }

    [Fact]
    public async Task Token_AtThePlaceOfAnotherIssuer_IsRefused()
    {
        var second = new TokenIssuer("https://second.example");
        await using var app = await JwtApp.StartAsync(
            JwtApp.Rule(s_issuer), JwtApp.Rule(second, ("FromHeaders", new JsonArray(new JsonObject { ["Name"] = "x-second" }))));

        using var response = await app.SendTokenAsync(second.Token());

        Assert.Equal(["refused issuer"], app.Results);
    }

    [Fact]
    public async Task Key_OfOneIssuer_VerifiesNothingOfAnother()
    {
        var second = new TokenIssuer("https://second.example");
        await using var app = await JwtApp.StartAsync(JwtApp.Rule(s_issuer), JwtApp.Rule(second));

        using var response = await app.SendTokenAsync(s_issuer.Token(("iss", second.Name)));

        Assert.Equal(["refused signature"], app.Results);
    }

    [Fact]
    public async Task Refusals_InGreatNumber_AreLoggedOnceInAWhile()
    {
        await using var app = await JwtApp.StartAsync(JwtApp.Rule(s_issuer));
        var hostile = s_issuer.Token(("iss", "https://evil\n2050 forged " + new string('x', 200)));
        for (var i = 0; i < 5; i++)
        {
            using var _ = await app.SendTokenAsync(hostile);
        }

        app.Mesh.Time.Advance(TimeSpan.FromSeconds(11));
        using (await app.SendTokenAsync(hostile))
        {
        }

        var lines = app.Mesh.Logs.GetSnapshot().Where(static log => log.Id.Id == 2050).Select(static log => log.Message).ToList();
        Assert.Equal(2, lines.Count);
        Assert.Contains(@"'https://evil\u000a2050 forged x", lines[0], StringComparison.Ordinal);
        Assert.True(lines[0].Length < 250, lines[0]);
        Assert.Contains(" 4 like it before were not logged.", lines[1], StringComparison.Ordinal);
    }

    /// <summary>HttpClient would join the lines.</summary>
    private static async Task<string> SendRawAsync(JwtApp app, string headers)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(app.Mesh.Client.BaseAddress!.Host, app.Mesh.Client.BaseAddress.Port);
        await using var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"GET /who HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n\r\n"));
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync();
    }

    private static string WithClaims(string token, string claims)
    {
        var parts = token.Split('.');
        return $"{parts[0]}.{TokenIssuer.Encode(Encoding.UTF8.GetBytes(claims))}.{parts[2]}";
    }

    private static string WithHeader(string token, string header)
    {
        var parts = token.Split('.');
        return $"{TokenIssuer.Encode(Encoding.UTF8.GetBytes(header))}.{parts[1]}.{parts[2]}";
    }

    private static string WithDerSignature()
    {
        var token = s_issuer.Sign(s_issuer.Claims(), "ES256");
        var signed = token[..token.LastIndexOf('.')];
        return $"{signed}.{TokenIssuer.Encode(s_issuer.Curve.SignData(
            Encoding.ASCII.GetBytes(signed), System.Security.Cryptography.HashAlgorithmName.SHA256, System.Security.Cryptography.DSASignatureFormat.Rfc3279DerSequence))}";
    }
}
