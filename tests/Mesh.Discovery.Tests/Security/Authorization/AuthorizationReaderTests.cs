using Mesh.Discovery.Consul;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Tests.Rules.Reading;
using static Mesh.Discovery.Tests.Security.Authorization.Policies;

namespace Mesh.Discovery.Tests.Security.Authorization;

public sealed class AuthorizationReaderTests
{
    private const string Full = """
        { "Mesh": { "Authorization": [
          { "Name": "readers", "Action": "allow", "DryRun": true,
            "Rules": [ { "From": [ { "Source": { "Principals": [ "*/sa/reviews" ] } } ],
                         "To": [ { "Methods": [ "GET" ], "Ports": [ 9080 ] } ],
                         "When": [ { "Key": "request.headers[x-a]", "NotValues": [ "1" ] } ] } ] },
          { "Name": "closed", "Action": "DENY", "Selector": { "MatchLabels": { "app": "ratings" } }, "Rules": [ {} ] } ] } }
        """;

    [Fact]
    public void Read_Section_IsTheSameAsADocument()
    {
        var batch = Reader.Configuration(Full, strict: true);

        Assert.Empty(batch.Issues);
        var readers = Assert.IsType<AuthorizationPolicyConfig>(batch.Rules[0]);
        Assert.Equal(("readers", "default", AuthorizationAction.Allow, true), (readers.Name, readers.Namespace, readers.Action, readers.DryRun));
        var rule = Assert.Single(readers.Rules);
        Assert.Equal("*/sa/reviews", Assert.Single(Assert.Single(Assert.Single(rule.From)).Values));
        Assert.Equal(
            [AuthorizationAttribute.Port, AuthorizationAttribute.Method], Assert.Single(rule.To).Select(static match => match.Attribute));
        Assert.Equal("1", Assert.Single(Assert.Single(rule.When).NotValues));
        Assert.Equal("AuthorizationPolicy default/readers", readers.Location.Document);
        var closed = Assert.IsType<AuthorizationPolicyConfig>(batch.Rules[1]);
        Assert.Equal((AuthorizationAction.Deny, "ratings"), (closed.Action, closed.Selector.MatchLabels["app"]));
    }

    [Fact]
    public void Read_SectionInConsul_GivesTheSameRules()
    {
        var section = Full.Replace("{ \"Mesh\": ", "", StringComparison.Ordinal).TrimEnd()[..^1];

        var batch = new ConsulRuleDocuments(new MeshOptions()).Update([new KeyValueEntry { Key = "mesh/config/a", Value = System.Text.Encoding.UTF8.GetBytes(section) }]);

        Assert.Empty(batch.Issues);
        Assert.Equal(["readers", "closed"], batch.Rules.Select(static rule => rule.Name));
    }

    [Theory]
    [InlineData("""{ "Name": "closed", "Action": "DENNY" }""")]
    [InlineData("""{ "Action": "DENY", "Rules": [ {} ] }""")]
    public void Reload_PolicyBrokenAndMoved_KeepsItsLastGoodVersion(string broken)
    {
        var book = new RuleBook(new RuleCompiler("default", Labels.Empty, new HashSet<string>(), 0, "ratings"));
        book.AddSource("configuration", 0);
        book.Publish("configuration", Of("""{ "Name": "closed", "Action": "DENY", "Rules": [ {} ] }""", """{ "Name": "other", "Rules": [ {} ] }"""));
        Assert.True(book.Compile(isFirst: true));

        book.Publish("configuration", Of("""{ "Name": "new", "Rules": [ {} ] }""", broken));
        book.Compile(isFirst: false);

        var request = Request();
        Assert.Contains("closed", book.Status.Select(static status => status.Rule.Name));
        Assert.Equal("default/closed", book.Compiled!.Inbound.Authorizer!.Decide(in request).Denied!.Policy);

        static RuleBatch Of(params string[] policies) => Reader.Configuration($$"""{ "Mesh": { "Authorization": [ {{string.Join(',', policies)}} ] } }""");
    }

    [Theory]
    [InlineData("istio.io/dry-run", "\"true\"", true)]
    [InlineData("istio.io/dry-run", "\"false\"", false)]
    [InlineData("other", "\"true\"", false)]
    public void Read_Annotation_IsTheDryRun(string key, string value, bool isDryRun) =>
        Assert.Equal(isDryRun, Reader.One<AuthorizationPolicyConfig>(Policy("{}", metadata: $", annotations: {{ {key}: {value} }}")).DryRun);

    [Theory]
    [InlineData("action: CUSTOM\nprovider: { name: opa }\nrules: [ {} ]", "spec.action: 'CUSTOM' is not supported, and without it more would be let in; allowed: ALLOW, DENY, AUDIT")]
    [InlineData("action: DENNY", "spec.action: 'DENNY' is not known; did you mean 'DENY'? (allowed: ALLOW, DENY, AUDIT, CUSTOM)")]
    [InlineData("action: DENY", "spec: has no rules and so would never do anything; an empty rule matches every request")]
    [InlineData("provider: { name: opa }", "spec.provider: is for the action CUSTOM only, which is not supported")]
    [InlineData("rules: [ { from: [] } ]", "spec.rules[0].from: is empty; without any condition leave from out")]
    [InlineData("rules: [ { from: [ {} ] } ]", "spec.rules[0].from[0]: 'source' is missing")]
    [InlineData("rules: [ { from: [ { source: {} } ] } ]", "spec.rules[0].from[0]: has no condition; wanted: principals, requestPrincipals, namespaces, serviceAccounts, ipBlocks, remoteIpBlocks, trustDomains, or one with 'not' before it")]
    [InlineData("rules: [ { from: [ { source: { principals: [] } } ] } ]", "spec.rules[0].from[0].source.principals: is an empty list; leave it out, or name a value")]
    [InlineData("rules: [ { from: [ { source: { principals: [ \"\" ] } } ] } ]", "spec.rules[0].from[0].source.principals[0]: '' is empty; allowed: a text")]
    [InlineData("rules: [ { from: [ { source: { principal: [ a ] } } ] } ]", "spec.rules[0].from[0].source.principal: unknown key 'principal'; did you mean 'principals'?")]
    [InlineData("rules: [ { from: [ { source: { ipBlocks: [ 10.1 ] } } ] } ]", "'10.1' is a number or truth value and not a text")]
    [InlineData("rules: [ { from: [ { source: { ipBlocks: [ \"10.0.0.0/33\" ] } } ] } ]", "'10.0.0.0/33' is no address; allowed: an IP address, or a block such as 10.0.0.0/8")]
    [InlineData("rules: [ { from: [ { source: { ipBlocks: [ \"010.0.0.1\" ] } } ] } ]", "'010.0.0.1' is no address; allowed: an IP address, or a block such as 10.0.0.0/8")]
    [InlineData("rules: [ { from: [ { source: { serviceAccounts: [ \"a/*\" ] } } ] } ]", "'a/*' is not a service account; allowed: 'account' or 'namespace/account', without '*'")]
    [InlineData("rules: [ { from: [ { source: { serviceAccounts: [ a ], namespaces: [ b ] } } ] } ]", "serviceAccounts cannot stand beside principals or namespaces, as in Istio")]
    [InlineData("rules: [ { to: [ { operation: { ports: [ \"0\" ] } } ] } ]", "'0' is not a port; allowed: 1 to 65535")]
    [InlineData("rules: [ { to: [ { operation: { paths: [ \"/a/{**}/{*}\" ] } } ] } ]", "'/a/{**}/{*}' has {*} or {**} after a {**}, which must be the last of them")]
    [InlineData("rules: [ { to: [ { operation: { paths: [ \"/a/{*}b\" ] } } ] } ]", "'/a/{*}b' has '*', '{' or '}' beside {*} and {**}; each of them is a whole segment")]
    [InlineData("rules: [ { when: [ { key: source.principle, values: [ a ] } ] } ]", "spec.rules[0].when[0].key: 'source.principle' is no key of a condition; did you mean 'source.principal'? (allowed: request.headers[name],")]
    [InlineData("rules: [ { when: [ { key: \"request.headers[]\", values: [ a ] } ] } ]", "'request.headers[]' is no key of a condition; did you mean 'request.headers[name]'?")]
    [InlineData("rules: [ { when: [ { key: source.ip } ] } ]", "spec.rules[0].when[0]: changes nothing; wanted: values, notValues")]
    [InlineData("rules: [ { when: [ { values: [ a ] } ] } ]", "spec.rules[0].when[0]: 'key' is missing")]
    [InlineData("selector: { matchLabels: { a: b } }\ntargetRefs: [ { kind: Service, name: a } ]", "only one of selector and targetRefs is wanted")]
    public void Read_Mistake_SaysWhereAndWhat(string spec, string error) =>
        Assert.Contains(error, string.Join('\n', Reader.Errors(Policy(spec))), StringComparison.Ordinal);

    [Fact]
    public void Read_StarInTheMiddle_IsAWarning()
    {
        Reader.One<AuthorizationPolicyConfig>(Policy("rules: [ { to: [ { operation: { paths: [ /a*b ] } } ] } ]"), out var warnings);

        Assert.Contains("only one '*' stands for other text", Assert.Single(warnings).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(""" { "Rules": [ {} ] } """, "Mesh:Authorization:0: 'Name' is missing")]
    [InlineData(""" { "Name": "a", "Rules": [ { "From": [ { "Sources": {} } ] } ] } """, "Mesh:Authorization:0:Rules:0:From:0:Sources: unknown key 'Sources'; did you mean 'Source'?")]
    [InlineData(""" { "Name": "a", "Rules": [ { "To": [ {} ] } ] } """, "Mesh:Authorization:0:Rules:0:To:0: has no condition; wanted: Hosts, Ports, Methods, Paths")]
    [InlineData(""" { "Name": "a", "Action": "CUSTOM" } """, "Mesh:Authorization:0:Action: 'CUSTOM' is not supported")]
    public void Read_MistakeInSection_SaysWhereAndWhat(string policy, string error) =>
        Assert.Contains(
            error, string.Join('\n', Reader.Configuration($$"""{ "Mesh": { "Authorization": [ {{policy}} ] } }""").Issues), StringComparison.Ordinal);
}
