using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;

namespace Mesh.Server.Tests.Security.Jwt;

public sealed class JwtTests
{
    private static readonly TokenIssuer s_issuer = new();

    [Theory]
    [InlineData("RS256")]
    [InlineData("RS512")]
    [InlineData("PS384")]
    [InlineData("ES256")]
    public async Task Request_WithAGoodToken_IsMadeForItsSubject(string algorithm)
    {
        await using var app = await JwtApp.StartAsync(JwtApp.Rule(s_issuer));

        var seen = await app.SeeTokenAsync(s_issuer.Sign(s_issuer.Claims(("groups", "admins")), algorithm));

        Assert.Equal("https://issuer.example/alice", seen.Principal);
        Assert.Equal("alice", seen.User);
        Assert.Equal("admins", JsonDocument.Parse(seen.Claims!).RootElement.GetProperty("groups").GetString());
        Assert.Equal(["accepted"], app.Results);
    }

    [Fact]
    public async Task Request_WithoutAToken_GoesOnForNobody()
    {
        await using var app = await JwtApp.StartAsync(JwtApp.Rule(s_issuer));

        var seen = await app.SeeAsync("/who?a=b", ("Authorization", "Basic dTpw"));

        Assert.Null(seen.Principal);
        Assert.Null(seen.User);
        Assert.Equal("Basic dTpw", seen.Headers["authorization"]);
        Assert.Equal(["anonymous"], app.Results);
    }

    [Fact]
    public async Task Request_WithoutRules_KeepsWhateverTokenItHas()
    {
        await using var app = await JwtApp.StartAsync();

        var seen = await app.SeeTokenAsync("anything");

        Assert.Equal("Bearer anything", seen.Headers["authorization"]);
        Assert.Empty(app.Results);
    }

    [Fact]
    public async Task Token_WithoutASubject_IsGoodAndNamesNobody()
    {
        await using var app = await JwtApp.StartAsync(JwtApp.Rule(s_issuer));

        var seen = await app.SeeTokenAsync(s_issuer.Token(("sub", null)));

        Assert.Null(seen.Principal);
        Assert.NotNull(seen.Claims);
        Assert.Equal("", seen.User);
    }

    [Theory]
    [InlineData("\"books\"")]
    [InlineData("""[ "other", "books" ]""")]
    public async Task Token_ForOneOfTheAudiences_IsGood(string audience)
    {
        await using var app = await JwtApp.StartAsync(JwtApp.Rule(s_issuer, ("Audiences", new System.Text.Json.Nodes.JsonArray("shop", "books"))));

        var seen = await app.SeeTokenAsync(s_issuer.Token(("aud", System.Text.Json.Nodes.JsonNode.Parse(audience))));

        Assert.Equal("https://issuer.example/alice", seen.Principal);
    }

    [Theory]
    [InlineData(-30, null)]
    [InlineData(3600, 30)]
    [InlineData(4000000000, -5)]
    public async Task Token_WithinAMinuteOfItsTimes_IsGood(long expiry, int? notBefore)
    {
        await using var app = await JwtApp.StartAsync(JwtApp.Rule(s_issuer));

        var seen = await app.SeeTokenAsync(s_issuer.Token(
            ("exp", TokenIssuer.Now + expiry), ("nbf", notBefore is { } seconds ? TokenIssuer.Now + seconds : null)));

        Assert.NotNull(seen.Principal);
    }

    [Fact]
    public async Task Token_WithoutAKeyId_IsVerifiedByAnyKeyOfItsSort()
    {
        var other = new TokenIssuer();
        var keys = $$"""{ "keys": [ {{other.RsaKey("a")}}, { "kty": "OKP", "crv": "Ed25519", "x": "AA" }, {{s_issuer.RsaKey("b", ", \"use\": \"sig\", \"x5c\": [ \"AA\" ]")}} ] }""";
        await using var app = await JwtApp.StartAsync(JwtApp.Rule(s_issuer, ("Jwks", keys)));

        var seen = await app.SeeTokenAsync(s_issuer.Sign(s_issuer.Claims(), id: null));

        Assert.NotNull(seen.Principal);
    }

    [Fact]
    public async Task Token_OfOneOfSeveralRulesOfItsIssuer_IsGood()
    {
        var other = new TokenIssuer();
        await using var app = await JwtApp.StartAsync(
            JwtApp.Rule(other), JwtApp.Rule(s_issuer, ("Audiences", new System.Text.Json.Nodes.JsonArray("shop"))),
            JwtApp.Rule(s_issuer, ("Audiences", new System.Text.Json.Nodes.JsonArray("books"))));

        var seen = await app.SeeTokenAsync(s_issuer.Token(("aud", "books")));

        Assert.NotNull(seen.Principal);
    }

    [Fact]
    public async Task Refusal_InGrpc_IsUnauthenticated()
    {
        await using var app = await JwtApp.StartAsync(JwtApp.Rule(s_issuer));
        using var request = new HttpRequestMessage(HttpMethod.Post, "/who") { Content = new ByteArrayContent([]) };
        request.Content.Headers.TryAddWithoutValidation("Content-Type", "application/grpc");
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + s_issuer.Token(("exp", 1)));

        var response = await app.Mesh.Client.SendAsync(request);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("16", response.Headers.GetValues("grpc-status").Single());
        Assert.Equal("Jwt verification fails", response.Headers.GetValues("grpc-message").Single());
        Assert.Equal(0, app.Served);
    }

    [Fact]
    public async Task HealthOfTheMesh_WithABadToken_IsNotTheTokensMatter()
    {
        await using var app = await JwtApp.StartAsync(JwtApp.Rule(s_issuer));

        using var response = await app.SendAsync("/mesh/health", ("Authorization", "Bearer x"));

        Assert.NotEqual(HttpStatusCode.Unauthorized, response.StatusCode);
    }

    [Fact]
    public async Task Authorization_ByTheToken_KnowsWhoItIsFor()
    {
        await using var app = await JwtApp.StartAsync(
            static builder =>
            {
                builder.Configuration["Mesh:Authorization:0:Name"] = "users";
                builder.Configuration["Mesh:Authorization:0:Rules:0:From:0:RequestPrincipals:0"] = "*";
                builder.Configuration["Mesh:Authorization:0:Rules:0:When:0:Key"] = "request.auth.claims[groups]";
                builder.Configuration["Mesh:Authorization:0:Rules:0:When:0:Values:0"] = "readers";
            },
            JwtApp.Rule(s_issuer));

        Assert.Equal(HttpStatusCode.OK, await Status(("groups", "readers")));
        Assert.Equal(HttpStatusCode.Forbidden, await Status(("groups", "others")));
        Assert.Equal(HttpStatusCode.Forbidden, await Status(("groups", "readers"), ("sub", null)));
        Assert.Equal(HttpStatusCode.Unauthorized, await Status(("groups", "readers"), ("exp", 1)));
        using var anonymous = await app.SendAsync();
        Assert.Equal(HttpStatusCode.Forbidden, anonymous.StatusCode);
        Assert.Equal(1, app.Served);

        async Task<HttpStatusCode> Status(params (string, System.Text.Json.Nodes.JsonNode?)[] changes)
        {
            using var response = await app.SendTokenAsync(s_issuer.Token(changes));
            return response.StatusCode;
        }
    }

    [Fact]
    public async Task User_WhoIsAuthenticatedAlready_Stays()
    {
        await using var app = await JwtApp.StartAsync(
            static builder => builder.Services.Insert(0, Microsoft.Extensions.DependencyInjection.ServiceDescriptor
                .Singleton<Microsoft.AspNetCore.Hosting.IStartupFilter>(new PeerFilter())),
            JwtApp.Rule(s_issuer));

        var seen = await app.SeeTokenAsync(s_issuer.Token());

        Assert.Equal("https://issuer.example/alice", seen.Principal);
        Assert.Equal("peer", seen.User);
    }

    [Fact]
    public async Task Rules_ThatChangeOrGo_HoldFromThenOn()
    {
        await using var app = await JwtApp.StartAsync(JwtApp.Rule(s_issuer));
        var configuration = (Microsoft.Extensions.Configuration.IConfigurationRoot)app.Mesh.App.Configuration;
        using (var first = await app.SendTokenAsync(s_issuer.Token(("aud", "books"))))
        {
            Assert.Equal(HttpStatusCode.OK, first.StatusCode);
        }

        configuration["Mesh:RequestAuthentication:0:JwtRules:0:Audiences:0"] = "shop";
        configuration.Reload();
        await EventuallyAsync(HttpStatusCode.Unauthorized);
        configuration["Mesh:RequestAuthentication:0:JwtRules:0:Audiences:0"] = "books";
        configuration.Reload();
        await EventuallyAsync(HttpStatusCode.OK);

        async Task EventuallyAsync(HttpStatusCode status)
        {
            while (true)
            {
                using var response = await app.SendTokenAsync(s_issuer.Token(("aud", "books")));
                if (response.StatusCode == status)
                {
                    return;
                }

                await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, TestContext.Current.CancellationToken);
            }
        }
    }

    private sealed class PeerFilter : Microsoft.AspNetCore.Hosting.IStartupFilter
    {
        public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
        {
            app.Use(static (context, inner) =>
            {
                context.User = new System.Security.Claims.ClaimsPrincipal(
                    new System.Security.Claims.ClaimsIdentity([new(System.Security.Claims.ClaimTypes.Name, "peer")], "test"));
                return inner(context);
            });
            next(app);
        };
    }
}
