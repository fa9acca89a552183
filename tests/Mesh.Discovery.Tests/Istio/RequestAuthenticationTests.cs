using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Tests.Rules.Reading;
using Mesh.Discovery.Tests.Security;
using static Mesh.Discovery.Tests.Rules.Reading.Reader;

namespace Mesh.Discovery.Tests.Istio;

public sealed class RequestAuthenticationTests
{
    [Fact]
    public void Read_EveryField_IsRead()
    {
        var config = One<RequestAuthenticationConfig>(Users("""
            selector: { matchLabels: { app: books } }
            jwtRules:
            - issuer: https://issuer.example
              audiences: [ books, shop ]
              jwksUri: https://issuer.example/keys
              fromHeaders: [ { name: x-jwt, prefix: "JWT " }, { name: X-Bare } ]
              fromParams: [ token ]
              fromCookies: [ session ]
              outputPayloadToHeader: x-payload
              outputClaimToHeaders: [ { header: x-user, claim: sub }, { header: x-role, claim: realm.role } ]
              forwardOriginalToken: true
              timeout: 3s
            """));

        var rule = Assert.Single(config.JwtRules);
        Assert.Equal("books", config.Selector.MatchLabels["app"]);
        Assert.Equal("https://issuer.example", rule.Issuer);
        Assert.Equal(["books", "shop"], rule.Audiences);
        Assert.Equal(new Uri("https://issuer.example/keys"), rule.KeysUri);
        Assert.Null(rule.Keys);
        Assert.Equal([new TokenHeader("x-jwt", "JWT "), new TokenHeader("X-Bare", "")], rule.FromHeaders);
        Assert.Equal(["token"], rule.FromParams);
        Assert.Equal(["session"], rule.FromCookies);
        Assert.Equal("x-payload", rule.OutputPayloadToHeader);
        Assert.Equal([new ClaimHeader("x-user", "sub"), new ClaimHeader("x-role", "realm.role")], rule.OutputClaimToHeaders);
        Assert.True(rule.ForwardOriginalToken);
        Assert.Equal(TimeSpan.FromSeconds(3), rule.Timeout);
    }

    [Fact]
    public void Read_NothingButAnIssuer_HasIstiosDefaults()
    {
        var rule = Assert.Single(One<RequestAuthenticationConfig>(Users("jwtRules: [ { issuer: 'https://issuer.example' } ]")).JwtRules);

        Assert.Null(rule.Keys);
        Assert.Null(rule.KeysUri);
        Assert.False(rule.ForwardOriginalToken);
        Assert.Equal(TimeSpan.FromSeconds(5), rule.Timeout);
        Assert.Empty(rule.Audiences);
    }

    [Fact]
    public void Read_KeysInTheRule_AreRead()
    {
        var rule = Assert.Single(One<RequestAuthenticationConfig>(Users($"""
            jwtRules:
            - issuer: users@example.org
              jwks: |
                {PublicKeySetTests.Set}
            """)).JwtRules);

        Assert.Equal("k1", Assert.Single(rule.Keys!.Keys).Id);
    }

    [Fact]
    public void Read_NoRules_IsADocumentWithoutAnEffect()
    {
        Assert.Empty(One<RequestAuthenticationConfig>(Users("targetRefs: [ { kind: Service, name: books } ]")).JwtRules);
    }

    [Theory]
    [InlineData("- { audiences: [ a ] }", "spec.jwtRules[0]: 'issuer' is missing")]
    [InlineData("- { issuer: '' }", "spec.jwtRules[0].issuer: '' is empty")]
    [InlineData("- { issuer: me@example.org }", "spec.jwtRules[0].issuer: 'me@example.org' is no URL at which its keys could be looked up, and there is neither jwks nor jwksUri; allowed: an http or https URL, or keys")]
    [InlineData("- { issuer: 'https://a', jwksUri: 'ftp://a/keys' }", "spec.jwtRules[0].jwksUri: 'ftp://a/keys' is not a URL of keys; allowed: an http or https URL without user and password")]
    [InlineData("- { issuer: 'https://a', jwksUri: /keys }", "jwksUri: '/keys' is not a URL of keys")]
    [InlineData("- { issuer: 'https://a', jwksUri: 'https://u:geheim@a/keys' }", "spec.jwtRules[0].jwksUri: the URL may hold a password")]
    [InlineData("- { issuer: 'https://a', jwks: '{}' }", "spec.jwtRules[0].jwks: the JWK set is no JSON object with a list 'keys'")]
    [InlineData("- { issuer: 'https://a', jwks: { keys: [] } }", "spec.jwtRules[0].jwks: a map stands where a JWK set is wanted; allowed: a text that is JSON")]
    [InlineData("""- { issuer: 'https://a', jwks: '{"keys":[{"kty":"oct","k":"geheim"}]}' }""", "spec.jwtRules[0].jwks: the JWK set holds a private or symmetric key")]
    [InlineData("""- { issuer: 'https://a', jwks: '{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","d":"geheim"}]}' }""", "the JWK set holds a private or symmetric key")]
    [InlineData("- { issuer: 'https://a', fromHeaders: [ { name: 'a b' } ] }", "spec.jwtRules[0].fromHeaders[0].name: 'a b' is not a header name")]
    [InlineData("- { issuer: 'https://a', fromHeaders: [ { prefix: x } ] }", "spec.jwtRules[0].fromHeaders[0]: 'name' is missing")]
    [InlineData("- { issuer: 'https://a', fromCookies: [ 'a;b' ] }", "spec.jwtRules[0].fromCookies[0]: 'a;b' is not a name of a cookie")]
    [InlineData("- { issuer: 'https://a', outputPayloadToHeader: ':path' }", "outputPayloadToHeader: ':path' is a pseudo header")]
    [InlineData("- { issuer: 'https://a', outputPayloadToHeader: hOST }", "outputPayloadToHeader: 'hOST' is a header that has a meaning of its own")]
    [InlineData("- { issuer: 'https://a', outputClaimToHeaders: [ { header: x } ] }", "spec.jwtRules[0].outputClaimToHeaders[0]: 'claim' is missing")]
    [InlineData("- { issuer: 'https://a', outputPayloadToHeader: x-A, outputClaimToHeaders: [ { header: x-a, claim: sub } ] }", "the header 'x-a' is given twice")]
    [InlineData("- { issuer: 'https://a', timeout: 2m }", "spec.jwtRules[0].timeout: '2m' is too long; allowed: at most 60s")]
    [InlineData("- { issuer: 'https://a', timeout: 0s }", "spec.jwtRules[0].timeout: '0s' is too short")]
    [InlineData("- { issuer: 'https://a', forwardToken: true }", "spec.jwtRules[0].forwardToken: unknown key 'forwardToken'")]
    public void Read_BadRule_SaysPlaceValueAndWhatIsAllowed(string rule, string error)
    {
        var message = Error(Users("jwtRules:\n" + rule));

        Assert.Contains(error, message, StringComparison.Ordinal);
        Assert.DoesNotContain("geheim", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_KeysTwice_IsAnError()
    {
        var errors = Errors(Users($"jwtRules:\n- {{ issuer: a, jwksUri: 'https://a', jwks: '{PublicKeySetTests.Set}' }}"));

        Assert.Contains("only one of jwks, jwksUri is wanted", Assert.Single(errors), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_FieldWithoutSupport_IsAWarning()
    {
        One<RequestAuthenticationConfig>(Users("jwtRules: [ { issuer: 'https://a', spaceDelimitedClaims: [ scope ] } ]"), out var warnings);

        Assert.Contains("'spaceDelimitedClaims' is not supported", Assert.Single(warnings).ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Configuration_OfTheSection_IsAboutTheProcessItself()
    {
        var batch = Reader.Configuration("""
            { "Mesh": { "RequestAuthentication": [
              { "Name": "users", "JwtRules": [ { "Issuer": "https://a", "Audiences": [ "x" ] } ] },
              { "Name": "partners", "JwtRules": [ { "Issuer": "https://b" } ] } ] } }
            """);

        Assert.Empty(batch.Issues);
        Assert.Equal(["users", "partners"], batch.Rules.Select(static rule => rule.Name));
        Assert.Equal("https://a", ((RequestAuthenticationConfig)batch.Rules[0]).JwtRules[0].Issuer);
        Assert.Equal(2, Inbound([.. batch.Rules]).JwtRules.Count);
    }

    [Theory]
    [InlineData("""[ { "JwtRules": [] } ]""", "Mesh:RequestAuthentication:0: 'Name' is missing")]
    [InlineData("""[ { "Name": "a", "Rules": {} } ]""", "RequestAuthentication default/a: Mesh:RequestAuthentication:0:Rules: unknown key 'Rules'")]
    [InlineData("""[ { "Name": "a", "JwtRules": [ { "Issuer": "a" } ] } ]""", "Mesh:RequestAuthentication:0:JwtRules:0:Issuer: 'a' is no URL at which its keys could be looked up, and there is neither Jwks nor JwksUri")]
    [InlineData("""{ "users": { "Name": "a" } }""", "Mesh:RequestAuthentication: a map stands where a list is wanted")]
    public void Configuration_WithAnError_IsRefused(string section, string error)
    {
        var batch = Reader.Configuration($$"""{ "Mesh": { "RequestAuthentication": {{section}} } }""");

        Assert.Contains(error, Assert.Single(batch.Issues).ToString(), StringComparison.Ordinal);
        Assert.Empty(batch.Rules);
    }

    [Fact]
    public void Compile_DocumentsForTheProcess_HoldTogether()
    {
        var inbound = Inbound(
            Rule("a", "prod", "https://a"),
            Rule("b", "prod", "https://b", "selector: { matchLabels: { app: reviews } }"),
            Rule("c", "prod", "https://c", "selector: { matchLabels: { app: ratings } }"),
            Rule("d", "prod", "https://d", "targetRefs: [ { kind: Service, name: reviews } ]"),
            Rule("e", "other", "https://e"),
            Rule("f", "istio-system", "https://f"));

        Assert.Equal(["https://a", "https://b", "https://d", "https://f"], inbound.JwtRules.Select(static rule => rule.Issuer));
    }

    [Fact]
    public void Compile_NoDocuments_HasNoRules()
    {
        Assert.Empty(Inbound().JwtRules);
        Assert.Empty(InboundRules.Empty.JwtRules);
    }

    private static RequestAuthenticationConfig Rule(string name, string @namespace, string issuer, string more = "{}") =>
        One<RequestAuthenticationConfig>(Users($"jwtRules: [ {{ issuer: '{issuer}' }} ]\n{(more == "{}" ? "" : more)}", name, @namespace));

    private static InboundRules Inbound(params RuleConfig[] rules)
    {
        var compiled = new RuleCompiler("prod", Labels.Empty, Routing.Rule.Policies, 2, "reviews")
            .Compile([.. rules.Select(static rule => new PlacedRule(rule.Namespace == "default" ? rule with { Namespace = "prod" } : rule, 0))]);
        Assert.Empty(compiled.Issues.Issues);
        return compiled.Inbound;
    }

    private static string Users(string spec, string name = "users", string @namespace = "prod") => $"""
        apiVersion: security.istio.io/v1
        kind: RequestAuthentication
        metadata: {"{"} name: {name}, namespace: {@namespace} {"}"}
        spec:
          {spec.ReplaceLineEndings("\n  ")}
        """;
}
