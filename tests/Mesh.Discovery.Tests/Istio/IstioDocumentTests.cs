using Mesh.Discovery.Rules;
using static Mesh.Discovery.Tests.Rules.Reading.Reader;

namespace Mesh.Discovery.Tests.Istio;

public sealed class IstioDocumentTests
{
    private const string Spec = "spec: { host: a }";

    [Theory]
    [InlineData("v1")]
    [InlineData("v1beta1")]
    [InlineData("v1alpha3")]
    public void Read_EachVersion_IsRead(string version)
    {
        One<DestinationRuleConfig>($"apiVersion: networking.istio.io/{version}\nkind: DestinationRule\nmetadata: {{ name: a }}\n{Spec}");
    }

    [Theory]
    [InlineData("networking.istio.io/v2", "apiVersion: 'networking.istio.io/v2' is not known; did you mean 'networking.istio.io/v1'? (allowed: networking.istio.io/v1, networking.istio.io/v1beta1, networking.istio.io/v1alpha3)")]
    [InlineData("networking.istio.io", "apiVersion: 'networking.istio.io' is not known")]
    [InlineData("network.istio.io/v1", "apiVersion: 'network.istio.io/v1' is not known")]
    [InlineData("''", "apiVersion: '' is empty")]
    public void Read_BadVersion_NamesTheAllowedOnes(string version, string error)
    {
        Assert.Contains(
            error,
            Error($"apiVersion: {version}\nkind: DestinationRule\nmetadata: {{ name: a }}\n{Spec}"),
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("v1", "Service")]
    [InlineData("apps/v1", "Deployment")]
    [InlineData("networking.istio.io/v1", "Gateway")]
    [InlineData("networking.istio.io/v1alpha3", "EnvoyFilter")]
    [InlineData("gateway.networking.k8s.io/v1", "HTTPRoute")]
    public void Read_OtherKind_IsReportedAndSkipped(string version, string kind)
    {
        var text = $"apiVersion: {version}\nkind: {kind}\nmetadata: {{ name: a }}\nspec: {{ whatever: [ 1 ] }}";

        var batch = Yaml(text);
        Assert.Empty(batch.Rules);
        var issue = Assert.Single(batch.Issues);
        Assert.Equal(IssueSeverity.Warning, issue.Severity);
        Assert.StartsWith($"{Origin}:1: {kind} default/a: the document '{kind}'", issue.ToString(), StringComparison.Ordinal);
        Assert.Contains("is not supported", Error(text, strict: true), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("VirtualSevice", "kind: 'VirtualSevice' is no kind of networking.istio.io; did you mean 'VirtualService'?")]
    [InlineData("Banana", "kind: 'Banana' is no kind of networking.istio.io (allowed: VirtualService, DestinationRule, ServiceEntry)")]
    public void Read_UnknownKind_IsAnError(string kind, string error)
    {
        Assert.Contains(
            error, Error($"apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{ name: a }}\n{Spec}"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("hello", ": 'hello' stands where keys and values are wanted; allowed: a map")]
    [InlineData("[ 1 ]", ": a list stands where keys and values are wanted")]
    [InlineData("kind: DestinationRule\nmetadata: { name: a }\nspec: { host: a }", "'apiVersion' is missing")]
    [InlineData("apiVersion: networking.istio.io/v1\nmetadata: { name: a }\nspec: { host: a }", "'kind' is missing")]
    [InlineData("apiVersion: networking.istio.io/v1\nkind: DestinationRule\nspec: { host: a }", "'metadata' is missing")]
    [InlineData("apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: text\nspec: { host: a }", "metadata: 'text' stands where keys and values are wanted")]
    [InlineData("apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {}\nspec: { host: a }", "metadata: 'name' is missing")]
    [InlineData("apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: { name: a, namespace: a.b }\nspec: { host: a }", "metadata.namespace: 'a.b' holds a dot")]
    [InlineData("apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: { name: a, nmespace: b }\nspec: { host: a }", "metadata.nmespace: unknown key 'nmespace'; did you mean 'namespace'?")]
    [InlineData("apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: { name: a }", "DestinationRule default/a: 'spec' is missing")]
    [InlineData("apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: { name: a }\nspec: text", "spec: 'text' stands where keys and values are wanted")]
    [InlineData("apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: { name: a }\nspce: {}\nspec: { host: a }", "spce: unknown key 'spce'; did you mean 'spec'?")]
    public void Read_BrokenFrame_SaysPlaceAndReason(string text, string error)
    {
        Assert.Contains(error, Error(text), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_KubernetesBookkeeping_IsAccepted()
    {
        var rule = One<DestinationRuleConfig>("""
            apiVersion: networking.istio.io/v1
            kind: DestinationRule
            metadata:
              name: a
              namespace: prod
              labels: { app: a }
              annotations: { note: "1" }
              uid: 0b3f
              resourceVersion: "17"
              generation: 3
              creationTimestamp: "2026-01-01T00:00:00Z"
              managedFields: [ { manager: kubectl } ]
              ownerReferences: []
              finalizers: [ a ]
            spec: { host: a }
            status: { observedGeneration: 3 }
            """);

        Assert.Equal(("prod", "a"), (rule.Namespace, rule.Name));
    }

    [Fact]
    public void Read_ListAsKubectlPrintsIt_GivesEachItem()
    {
        var batch = Yaml("""
            apiVersion: v1
            kind: List
            metadata: { resourceVersion: "" }
            items:
            - apiVersion: networking.istio.io/v1
              kind: DestinationRule
              metadata: { name: a }
              spec: { host: a }
            - apiVersion: networking.istio.io/v1
              kind: DestinationRule
              metadata: { name: b }
              spec: { hots: b }
            """);

        Assert.Equal("a", Assert.Single(batch.Rules).Name);
        Assert.Equal(
            [
                $"{Origin}:12: DestinationRule default/b: items[1].spec: 'host' is missing",
                $"{Origin}:12: DestinationRule default/b: items[1].spec.hots: unknown key 'hots'; did you mean 'host'? "
                + "(allowed: host, trafficPolicy, subsets)",
            ],
            batch.Issues.Select(static i => i.ToString()));
    }

    [Fact]
    public void Read_ListInsideAList_IsNotFollowed()
    {
        var batch = Yaml("{ apiVersion: v1, kind: List, items: [ { apiVersion: v1, kind: List, items: [] } ] }");

        Assert.Contains("'List' of 'v1' is not supported", Assert.Single(batch.Issues).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_OneBadDocumentAmongGoodOnes_RefusesThatOneOnly()
    {
        var batch = Yaml($"""
            apiVersion: networking.istio.io/v1
            kind: DestinationRule
            metadata: {"{"} name: good {"}"}
            {Spec}
            ---
            apiVersion: networking.istio.io/v1
            kind: DestinationRule
            metadata: {"{"} name: bad {"}"}
            spec: {"{"} host: 5 {"}"}
            ---
            apiVersion: networking.istio.io/v1
            kind: DestinationRule
            metadata: {"{"} name: good2 {"}"}
            {Spec}
            """);

        Assert.Equal(["good", "good2"], batch.Rules.Select(static r => r.Name));
        Assert.Equal("DestinationRule default/bad", Assert.Single(batch.Issues).Location.Document);
    }

    [Fact]
    public void Read_TextsOfTheFile_CannotForgeLogLines()
    {
        var message = string.Concat(Errors("apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
            + "metadata: { name: \"a\\n2026 fatal: forged\" }\nspec: { \"x\\ny\": 1, host: \"" + new string('h', 500) + "\\u001b[31m\" }"));

        Assert.DoesNotContain('\n', message);
        Assert.DoesNotContain('\x1b', message);
    }

    [Fact]
    public void Read_AnchorsAndMerges_ReadAsIfWrittenOut()
    {
        var rule = One<VirtualServiceConfig>("""
            apiVersion: networking.istio.io/v1
            kind: VirtualService
            metadata: { name: a }
            spec:
              hosts: [ reviews ]
              http:
              - &first
                timeout: 1s
                route: &arms [ { destination: { host: reviews } } ]
              - <<: *first
                timeout: 2s
              - route: *arms
            """);

        Assert.Equal([1.0, 2.0, null], rule.Http.Select(static r => r.Timeout?.TotalSeconds));
        Assert.All(rule.Http, static r => Assert.Equal("reviews", Assert.Single(r.Route).Host));
        Assert.Equal("spec.http[2].route[0]", rule.Http[2].Route[0].Location.Path);
    }
}
