using System.Net;
using System.Text.Json.Nodes;

namespace Mesh.Server.Tests.Security.Jwt;

/// <summary>Keys that are fetched.</summary>
public sealed class JwtKeyTests
{
    [Fact]
    public async Task Keys_AtAUri_AreFetchedOnceForAll()
    {
        var issuer = new TokenIssuer();
        await using var server = await KeyServer.StartAsync(issuer.KeySet);
        await using var app = await StartAsync(server, issuer);

        for (var i = 0; i < 5; i++)
        {
            Assert.NotNull((await app.SeeTokenAsync(issuer.Token())).Principal);
        }

        Assert.Equal(1, server.Fetches);
    }

    [Fact]
    public async Task Keys_ThatTheIssuerChanges_AreFetchedForTheFirstTokenWithTheNewOne()
    {
        var issuer = new TokenIssuer();
        await using var server = await KeyServer.StartAsync(issuer.KeySet);
        await using var app = await StartAsync(server, issuer);
        await app.SeeTokenAsync(issuer.Token());
        var next = new TokenIssuer(keyId: "k2");
        server.Keys = next.KeySet;
        app.Mesh.Time.Advance(TimeSpan.FromSeconds(11));

        Assert.NotNull((await app.SeeTokenAsync(next.Sign(next.Claims(), id: "k2"))).Principal);

        using var withdrawn = await app.SendTokenAsync(issuer.Token());
        Assert.Equal(HttpStatusCode.Unauthorized, withdrawn.StatusCode);
        Assert.Equal(2, server.Fetches);
    }

    [Fact]
    public async Task Keys_WithoutNames_AreFetchedWhenNoneVerifies()
    {
        var issuer = new TokenIssuer();
        await using var server = await KeyServer.StartAsync($$"""{ "keys": [ {{issuer.RsaKey(null)}} ] }""");
        await using var app = await StartAsync(server, issuer);
        await app.SeeTokenAsync(issuer.Sign(issuer.Claims(), id: null));
        var next = new TokenIssuer();
        server.Keys = $$"""{ "keys": [ {{next.RsaKey(null)}} ] }""";
        app.Mesh.Time.Advance(TimeSpan.FromSeconds(11));

        Assert.NotNull((await app.SeeTokenAsync(next.Sign(next.Claims(), id: null))).Principal);
    }

    [Fact]
    public async Task UnknownKeys_InGreatNumber_LeadToFewFetches()
    {
        var issuer = new TokenIssuer();
        await using var server = await KeyServer.StartAsync(issuer.KeySet);
        await using var app = await StartAsync(server, issuer);
        await app.SeeTokenAsync(issuer.Token());

        for (var i = 0; i < 20; i++)
        {
            using var response = await app.SendTokenAsync(issuer.Sign(issuer.Claims(), id: $"invented-{i}"));
            Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        }

        Assert.Equal(1, server.Fetches);
        app.Mesh.Time.Advance(TimeSpan.FromSeconds(11));
        await Task.WhenAll(Enumerable.Range(0, 20).Select(async i =>
        {
            using var response = await app.SendTokenAsync(issuer.Sign(issuer.Claims(), id: $"invented-{i}"));
        }));
        Assert.Equal(2, server.Fetches);
    }

    [Fact]
    public async Task Outage_OfTheIssuer_LeavesTheLastGoodKeys()
    {
        var issuer = new TokenIssuer();
        await using var server = await KeyServer.StartAsync(issuer.KeySet);
        await using var app = await StartAsync(server, issuer);
        await app.SeeTokenAsync(issuer.Token());
        server.Keys = null;

        for (var i = 0; i < 4; i++)
        {
            app.Mesh.Time.Advance(TimeSpan.FromMinutes(21));
            Assert.NotNull((await app.SeeTokenAsync(issuer.Token(("exp", TokenIssuer.Now + 100000)))).Principal);
        }

        await app.Mesh.LogLine("The keys of the issuer 'https://issuer.example' could not be fetched from http");
        server.Keys = issuer.KeySet;
        do
        {
            // The first one may still find a fetch that is about to fail.
            app.Mesh.Time.Advance(TimeSpan.FromMinutes(41));
            await app.SeeTokenAsync(issuer.Token(("exp", TokenIssuer.Now + 10000000)));
        }
        while (!app.Mesh.Logs.GetSnapshot().Any(static log => log.Id.Id == 2052));

        Assert.Single(app.Mesh.Logs.GetSnapshot(), static log => log.Id.Id == 2051);
    }

    [Fact]
    public async Task Outage_FromTheStart_RefusesTokensUntilItIsOver()
    {
        var issuer = new TokenIssuer();
        await using var server = await KeyServer.StartAsync(null);
        await using var app = await StartAsync(server, issuer);
        for (var i = 0; i < 3; i++)
        {
            using var refused = await app.SendTokenAsync(issuer.Token());
            Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        }

        Assert.Equal(Enumerable.Repeat("refused no-keys", 3), app.Results);
        Assert.Equal(1, server.Fetches);
        Assert.Single(app.Mesh.Logs.GetSnapshot(), static log => log.Id.Id == 2051);
        server.Keys = issuer.KeySet;
        app.Mesh.Time.Advance(TimeSpan.FromSeconds(2));

        Assert.NotNull((await app.SeeTokenAsync(issuer.Token())).Principal);
    }

    [Fact]
    public async Task Issuer_ThatDoesNotAnswer_HoldsOnlyItsOwnTokensAndNotForLong()
    {
        var slow = new TokenIssuer("https://slow.example");
        var quick = new TokenIssuer();
        await using var server = await KeyServer.StartAsync(slow.KeySet);
        server.Gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var app = await JwtApp.StartAsync(Fetched(slow, server), JwtApp.Rule(quick));
        var held = app.SendTokenAsync(slow.Token());

        Assert.NotNull((await app.SeeTokenAsync(quick.Token())).Principal);
        Assert.Null((await app.SeeAsync()).Principal);
        Assert.False(held.IsCompleted);
        await app.Mesh.AdvanceUntil(held);

        Assert.Equal(HttpStatusCode.Unauthorized, (await held).StatusCode);
        Assert.Contains("no answer in 5 s", await app.Mesh.LogLine("The keys of the issuer 'https://slow.example'"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Caller_WhoLeavesWhileKeysAreFetched_LeavesTheFetchToTheOthers()
    {
        var issuer = new TokenIssuer();
        await using var server = await KeyServer.StartAsync(issuer.KeySet);
        server.Gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var app = await StartAsync(server, issuer);
        using var gone = new CancellationTokenSource();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/who");
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + issuer.Token());
        var first = app.Mesh.Client.SendAsync(request, gone.Token);
        var second = app.SendTokenAsync(issuer.Token());
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);

        server.Gate.SetResult();

        Assert.Equal(HttpStatusCode.OK, (await second).StatusCode);
        Assert.Equal(1, server.Fetches);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("""{ "keys": {} }""")]
    [InlineData("""{ "keys": [] }""")]
    [InlineData("""{ "keys": [ { "kty": "oct", "k": "c2VjcmV0" } ] }""")]
    [InlineData("<html>")]
    [InlineData("too large")]
    public async Task Keys_ThatAreNone_AreNotTaken(string keys)
    {
        var issuer = new TokenIssuer();
        await using var server = await KeyServer.StartAsync(keys == "too large" ? issuer.KeySet + new string(' ', 2 * 1024 * 1024) : keys);
        await using var app = await StartAsync(server, issuer);

        using var response = await app.SendTokenAsync(issuer.Token());

        Assert.Equal(["refused no-keys"], app.Results);
        var line = await app.Mesh.LogLine("The keys of the issuer");
        Assert.DoesNotContain("c2VjcmV0", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Keys_OfOpenId_AreWhereTheIssuerSays()
    {
        await using var server = await KeyServer.StartAsync(null);
        var issuer = new TokenIssuer(server.Url + "/");
        server.Keys = issuer.KeySet;
        server.Configuration = $$"""{ "issuer": "{{issuer.Name}}", "jwks_uri": "{{server.Url}}/keys" }""";
        await using var app = await JwtApp.StartAsync(new JsonObject { ["Issuer"] = issuer.Name });

        Assert.Equal(issuer.Name + "/alice", (await app.SeeTokenAsync(issuer.Token())).Principal);
    }

    [Theory]
    [InlineData("""{ "issuer": "https://other.example", "jwks_uri": "{0}/keys" }""")]
    [InlineData("""{ "jwks_uri": "{0}/keys" }""")]
    [InlineData("""{ "issuer": "{0}", "jwks_uri": "file:///etc/passwd" }""")]
    [InlineData("""{ "issuer": "{0}", "jwks_uri": "/keys" }""")]
    [InlineData("""{ "issuer": "{0}" }""")]
    [InlineData("[]")]
    public async Task Keys_OfAnOpenIdConfigurationThatIsNotTheIssuers_AreNotTaken(string configuration)
    {
        await using var server = await KeyServer.StartAsync(null);
        var issuer = new TokenIssuer(server.Url);
        server.Keys = issuer.KeySet;
        server.Configuration = configuration.Replace("{0}", server.Url, StringComparison.Ordinal);
        await using var app = await JwtApp.StartAsync(new JsonObject { ["Issuer"] = issuer.Name });

        using var response = await app.SendTokenAsync(issuer.Token());

        Assert.Equal(["refused no-keys"], app.Results);
        Assert.Equal(0, server.Fetches);
    }

    private static Task<JwtApp> StartAsync(KeyServer server, TokenIssuer issuer) => JwtApp.StartAsync(Fetched(issuer, server));

    private static JsonObject Fetched(TokenIssuer issuer, KeyServer server) =>
        JwtApp.Rule(issuer, ("Jwks", null), ("JwksUri", server.Url + "/keys"));
}
