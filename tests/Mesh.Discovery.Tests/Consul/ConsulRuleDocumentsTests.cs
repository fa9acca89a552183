using System.Text;
using System.Text.Json;
using Mesh.Discovery.Consul;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Tests.Configuration;
using Mesh.Discovery.Tests.Rules.Reading;

namespace Mesh.Discovery.Tests.Consul;

public sealed class ConsulRuleDocumentsTests
{
    private const string Istio = """
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: { name: d }
        spec: { host: reviews, subsets: [ { name: v1, labels: { version: v1 } } ] }
        """;

    private const string Routes = """{ "Routes": { "reviews": [ { "Route": [ { "Subset": "v1", "Weight": 1 } ] } ] } }""";

    private readonly ConsulRuleDocuments _documents = new(new MeshOptions { Namespace = "prod" });

    [Fact]
    public void Update_SeveralDocumentsOfBothKinds_AreAllRead()
    {
        var batch = Update(("mesh/config/a", $"{Istio}\n---\n{Routes}\n---\n{Istio.Replace("name: d", "name: e", StringComparison.Ordinal)}"));

        Assert.Empty(batch.Issues);
        Assert.Equal(["d", "reviews", "e"], batch.Rules.Select(static rule => rule.Name));
        Assert.All(batch.Rules, static rule => Assert.Equal("prod", rule.Namespace));
        Assert.Equal("consul kv mesh/config/a:6: Routes:reviews", batch.Rules[1].Location.ToString());
    }

    [Fact]
    public void Update_SectionAsInAppsettings_GivesTheSameRules()
    {
        using var json = JsonDocument.Parse(ConfigurationSamples.Full);
        var mesh = json.RootElement.GetProperty("Mesh");
        var section = $$"""{ "Routes": {{mesh.GetProperty("Routes")}}, "Destinations": {{mesh.GetProperty("Destinations")}}, "Authorization": {{mesh.GetProperty("Authorization")}} }""";
        var expected = Reader.Configuration($$"""{ "Mesh": {{section}} }""").Rules;

        var bare = new ConsulRuleDocuments(new MeshOptions()).Update([Entry("a", section)]);
        var wrapped = new ConsulRuleDocuments(new MeshOptions()).Update([Entry("a", $$"""{ "mesh": {{section}} }""")]);

        Assert.Empty(bare.Issues);
        Assert.Empty(wrapped.Issues);
        Assert.Equal(expected.Select(Shape).Order(), bare.Rules.Select(Shape).Order());
        Assert.Equal(expected.Select(Shape).Order(), wrapped.Rules.Select(Shape).Order());

        static string Shape(RuleConfig rule) => rule switch
        {
            VirtualServiceConfig routes => $"{routes.Kind} {routes.Namespace}/{routes.Name} {routes.Http.Count} "
                + string.Join(";", routes.Http.Select(static r => $"{r.Name} {r.Timeout} {r.Match.Count} {r.Retries?.Attempts} "
                    + string.Join(",", r.Route.Select(static a => $"{a.Host} {a.Subset} {a.Port} {a.Weight}")))),
            DestinationRuleConfig policy => $"{policy.Kind} {policy.Namespace}/{policy.Name} {policy.Host} "
                + string.Join(",", policy.Subsets.Select(static s => $"{s.Name}[{s.Labels}]")),
            AuthorizationPolicyConfig policy => $"{policy.Kind} {policy.Namespace}/{policy.Name} {policy.Action} {policy.DryRun} {policy.Rules.Count} "
                + string.Join(",", policy.Rules.SelectMany(static r => r.From.Concat(r.To)).SelectMany(static p => p).Select(static m => m.Attribute)),
            _ => throw new InvalidOperationException(),
        };
    }

    [Fact]
    public void Update_YamlOfTheSection_TakesAnyCaseAndPlainScalars()
    {
        var batch = Update(("a", """
            mesh:
              destinations:
                reviews: { SUBSETS: { v1: { labels: { version: 1.10, canary: true } } } }
            """));

        Assert.Empty(batch.Issues);
        Assert.Equal("canary=true,version=1.10", Assert.IsType<DestinationRuleConfig>(Assert.Single(batch.Rules)).Subsets[0].Labels.ToString());
    }

    [Fact]
    public void Update_JsonIndentedByTabs_IsRead() =>
        Assert.Single(Update(("a", "{\n\t\"Routes\": {\n\t\t\"reviews\": [\n\t\t\t{ \"Route\": [ { \"Subset\": \"v1\" } ] }\n\t\t]\n\t}\n}")).Rules);

    [Fact]
    public void Update_RequestAuthenticationOfTheSection_IsRead()
    {
        var batch = Update(("a", """
            RequestAuthentication:
            - { name: users, selector: { matchLabels: { app: books } }, jwtRules: [ { issuer: https://a.example } ] }
            - { name: bad, jwtRules: [ {} ] }
            """));

        var rule = Assert.IsType<RequestAuthenticationConfig>(Assert.Single(batch.Rules));
        Assert.Equal(("users", "books"), (rule.Name, rule.Selector.MatchLabels["app"]));
        Assert.Equal("consul kv a:3: RequestAuthentication prod/bad: RequestAuthentication:1:jwtRules:0: 'Issuer' is missing", Assert.Single(batch.Issues).ToString());
    }

    [Theory]
    [InlineData("Outbound: { Timeout: 1s }", "consul kv a:1: Outbound: each process says 'Outbound' of itself, in its own configuration; allowed here: Routes, Destinations, Authorization, RequestAuthentication")]
    [InlineData("Mesh:\n  services: {}", "consul kv a:2: Mesh:services: each process says 'Services' of itself")]
    [InlineData("Mesh: {}\nRoutes: {}", "consul kv a:2: Routes: unknown key 'Routes'")]
    [InlineData("Rotues: {}", "consul kv a:1: Rotues: unknown key 'Rotues'; did you mean 'Routes'? (allowed: Routes, Destinations, Authorization, RequestAuthentication)")]
    [InlineData("hello", "consul kv a:1: 'hello' is no rule; allowed: an Istio document with apiVersion and kind, or a map with Routes, Destinations, Authorization or RequestAuthentication")]
    [InlineData("[ 1 ]", "consul kv a:1: a list is no rule")]
    [InlineData("Routes:\n  reviews:\n  - Route: [ { Weight: -1 } ]", "consul kv a:3: Routes:reviews:0:Route:0:Weight: '-1' is out of range")]
    [InlineData("Routes:\n  'a b': []", "consul kv a:2: Routes:a b: 'a b' is not a host")]
    [InlineData("Routes:\n  a: []\n  a: []", "consul kv a:3: Routes.a: duplicate key 'a'")]
    [InlineData("Routes: {}\nroutes: {}", "consul kv a:2: routes: duplicate key 'routes'; case makes no difference here")]
    [InlineData("kind: DestinationRule", "consul kv a:1: 'apiVersion' is missing")]
    [InlineData("{", "consul kv a:")]
    [InlineData("a\0b", "consul kv a:1: the control character \\u0000 is no YAML")]
    public void Update_Bad_SaysKeyLinePathAndWhatIsAllowed(string text, string error)
    {
        var batch = Update(("a", text));

        Assert.Empty(batch.Rules);
        Assert.StartsWith(error, batch.Issues[0].ToString(), StringComparison.Ordinal);
        Assert.All(batch.Issues, static issue => Assert.Equal("consul kv a", issue.Location.Origin));
    }

    [Fact]
    public void Update_OneHostBad_KeepsTheOthersOfItsKey()
    {
        var batch = Update(("a", """
            Routes:
              good: [ { Route: [ { Subset: v1 } ] } ]
              bad: [ { Route: [ { Subset: v1, Weight: x } ] } ]
            """));

        Assert.Equal("good", Assert.Single(batch.Rules).Name);
        Assert.Equal("Routes:bad", Assert.Single(batch.Issues).Location.Document);
    }

    [Fact]
    public void Update_BytesThatAreNoText_NameTheKey()
    {
        var options = new MeshOptions();
        options.Config.MaxFileSize = 10;
        var batch = new ConsulRuleDocuments(options).Update(
        [
            new KeyValueEntry { Key = "a", Value = [0xC3, 0x28] },
            new KeyValueEntry { Key = "b", Value = [0xFF, 0xFE, 0x20, 0x00] },
            new KeyValueEntry { Key = "c", Value = new byte[11] },
        ]);

        Assert.Equal(
            ["consul kv a:1: is not UTF-8 text", "consul kv b: is UTF-16; save it as UTF-8",
                "consul kv c: has 11 bytes; allowed: at most 10 (Mesh:Config:MaxFileSize)"],
            batch.Issues.Select(static issue => issue.ToString()));
    }

    [Fact]
    public void Update_FoldersEmptyValuesAndComments_AreNoRulesAndNoIssues()
    {
        var batch = _documents.Update(
        [
            new KeyValueEntry { Key = "mesh/config/" },
            new KeyValueEntry { Key = "mesh/config/folder/", Value = "x"u8.ToArray() },
            new KeyValueEntry { Key = "mesh/config/a", Value = [] },
            Entry("mesh/config/b", "# nothing yet\n"),
            Entry("mesh/config/c", "{}"),
        ]);

        Assert.Empty(batch.Rules);
        Assert.Empty(batch.Issues);
    }

    [Fact]
    public void Update_KeyThatDidNotChange_KeepsItsRules()
    {
        var first = Update(("a", Istio), ("b", Routes));
        var same = Update(("b", Routes), ("a", Istio));
        var changed = Update(("a", Istio), ("b", Routes.Replace("\"v1\"", "\"v2\"", StringComparison.Ordinal)));
        var gone = Update(("a", Istio));

        Assert.Same(first, same);
        Assert.Same(first.Rules[0], changed.Rules[0]);
        Assert.NotSame(first.Rules[1], changed.Rules[1]);
        Assert.Same(first.Rules[0], Assert.Single(gone.Rules));
    }

    [Fact]
    public void Update_TwoKeysWithOneName_TheFirstKeepsIt()
    {
        Update(("b", Routes));
        var batch = Update(("a", Routes), ("b", Routes));

        Assert.Equal("consul kv b", Assert.Single(batch.Rules).Location.Origin);
        Assert.Equal("consul kv a:1: Routes:reviews: the name is taken: it is also in consul kv b:1", Assert.Single(batch.Issues).ToString());
    }

    [Fact]
    public void Entries_AsConsulSendsThem_AreRead()
    {
        var entries = JsonSerializer.Deserialize(
            """[ { "LockIndex": 0, "Key": "mesh/config/a", "Flags": 0, "Value": "eyJhIjoxfQ==", "CreateIndex": 17, "ModifyIndex": 18 }, { "Key": "f/", "Value": null } ]""",
            ConsulJson.Default.IReadOnlyListKeyValueEntry)!;

        Assert.Equal(("mesh/config/a", """{"a":1}""", 18UL), (entries[0].Key, Encoding.UTF8.GetString(entries[0].Value!), entries[0].ModifyIndex));
        Assert.Null(entries[1].Value);
    }

    private RuleBatch Update(params (string Key, string Text)[] keys) =>
        _documents.Update([.. keys.Select(static key => Entry(key.Key, key.Text))]);

    private static KeyValueEntry Entry(string key, string text) => new() { Key = key, Value = Encoding.UTF8.GetBytes(text) };
}
