using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Tests.Routing;
using static Mesh.Discovery.Tests.Rules.Reading.Reader;

namespace Mesh.Discovery.Tests.Istio;

/// <summary><c>trafficPolicy.tls</c>, and who may answer.</summary>
public sealed class TlsRuleTests
{
    [Theory]
    [InlineData("DISABLE", TlsMode.Disable)]
    [InlineData("SIMPLE", TlsMode.Simple)]
    [InlineData("MESH", TlsMode.Mesh)]
    [InlineData("ISTIO_MUTUAL", TlsMode.Mesh)]
    internal void Read_Mode_IsRead(string mode, TlsMode expected)
    {
        Assert.Equal(expected, Yaml($"mode: {mode}").Mode);
        Assert.Equal(expected, Json($$"""{ "Mode": "{{mode.ToLowerInvariant()}}" }""").Mode);
        Assert.Equal(expected, Json($$"""{ "Mode": "{{mode}}" }""", nested: true).Mode);
    }

    [Fact]
    public void Read_EveryField_IsRead()
    {
        var yaml = Yaml(
            "mode: MUTUAL, subjectAltNames: [ a.example, 'spiffe://TD.example/x/Y', 'urn:z', '*.w.example' ], sni: s.example, "
            + "caCertificates: ca.pem, clientCertificate: c.pem, privateKey: k.pem, insecureSkipVerify: false");
        var json = Json("""
            { "Mode": "MUTUAL", "SubjectAltNames": [ "a.example", "spiffe://TD.example/x/Y", "urn:z", "*.w.example" ], "Sni": "s.example",
              "CaCertificates": "ca.pem", "ClientCertificate": "c.pem", "PrivateKey": "k.pem", "InsecureSkipVerify": false }
            """);

        Assert.Equal(yaml, json);
        Assert.Equal(["a.example", "spiffe://td.example/x/Y", "urn:z", "*.w.example"], yaml.SubjectAltNames);
        Assert.Equal(
            (TlsMode.Mutual, "s.example", "ca.pem", "c.pem", "k.pem", false),
            (yaml.Mode, yaml.Sni, yaml.CaCertificates, yaml.ClientCertificate, yaml.PrivateKey, yaml.InsecureSkipVerify));
        Assert.True(Yaml("mode: SIMPLE, insecureSkipVerify: true").InsecureSkipVerify);
    }

    [Theory]
    [InlineData("{}", "tls: 'mode' is missing")]
    [InlineData("mode: simple", "mode: 'simple' is not known; did you mean 'SIMPLE'? (allowed: DISABLE, SIMPLE, MUTUAL, MESH, ISTIO_MUTUAL)")]
    [InlineData("mode: MUTUAL", "the mode MUTUAL needs clientCertificate, privateKey")]
    [InlineData("mode: MUTUAL, clientCertificate: c.pem", "the mode MUTUAL needs clientCertificate, privateKey")]
    [InlineData("mode: SIMPLE, privateKey: k.pem", "are for the mode MUTUAL; with SIMPLE no certificate is shown")]
    [InlineData("mode: MESH, caCertificates: ca.pem", "the mode MESH uses the certificates of the mesh")]
    [InlineData("mode: ISTIO_MUTUAL, clientCertificate: c.pem, privateKey: k.pem", "the mode MESH uses the certificates of the mesh")]
    [InlineData("mode: MESH, insecureSkipVerify: true", "the mode MESH always verifies who answers")]
    [InlineData("mode: SIMPLE, insecureSkipVerify: true, caCertificates: ca.pem", "with insecureSkipVerify nothing is verified, so caCertificates, subjectAltNames must not be there")]
    [InlineData("mode: SIMPLE, insecureSkipVerify: true, subjectAltNames: [ a ]", "with insecureSkipVerify nothing is verified")]
    [InlineData("mode: SIMPLE, insecureSkipVerify: maybe", "insecureSkipVerify: 'maybe' is not a truth value")]
    [InlineData("mode: MESH, subjectAltNames: [ 'spiffe://a/b c' ]", "subjectAltNames[0]: 'spiffe://a/b c' is not a SPIFFE ID; allowed: spiffe://trust-domain/path")]
    [InlineData("mode: MESH, subjectAltNames: [ 'spiffe://a' ]", "subjectAltNames[0]: 'spiffe://a' is not a SPIFFE ID")]
    [InlineData("mode: MESH, subjectAltNames: [ '' ]", "subjectAltNames[0]: '' is empty; allowed: a SPIFFE ID, another URI, or a DNS name")]
    [InlineData("mode: MESH, subjectAltNames: a", "subjectAltNames: 'a' stands where a list is wanted")]
    [InlineData("mode: SIMPLE, sni: '*.example'", "sni: '*.example' is not a host")]
    [InlineData("mode: SIMPLE, sni: 'a b'", "sni: 'a b' is not a host")]
    [InlineData("mode: SIMPLE, caCertificate: a", "unknown key 'caCertificate'; did you mean 'caCertificates'? (allowed: mode, subjectAltNames, sni, caCertificates, clientCertificate, privateKey, insecureSkipVerify)")]
    public void Read_BadTls_SaysPlaceValueAndWhatIsAllowed(string fields, string error)
    {
        var message = Error(Destination("trafficPolicy:\n  tls: " + (fields == "{}" ? fields : "{ " + fields + " }")));

        Assert.StartsWith($"{Origin}:7: DestinationRule prod/d: spec.trafficPolicy.tls", message, StringComparison.Ordinal);
        Assert.Contains(error, message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_DisableWithMore_IsAWarning()
    {
        One<DestinationRuleConfig>(Destination("trafficPolicy: { tls: { mode: DISABLE, sni: a } }"), out var warnings);

        Assert.Contains("only mode has an effect with DISABLE", Assert.Single(warnings).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_InASubset_IsReported()
    {
        var rule = One<DestinationRuleConfig>(
            Destination("subsets: [ { name: v1, trafficPolicy: { tls: { mode: MESH } } } ]"), out var warnings);

        Assert.Equal("spec.subsets[0].trafficPolicy.tls", Assert.Single(warnings).Location.Path);
        Assert.Null(rule.Subsets[0].TrafficPolicy.Tls);
    }

    [Fact]
    public void Read_GivenTwice_IsAnError()
    {
        var batch = Rules.Reading.Reader.Configuration("""
            { "Mesh": { "Destinations": { "a": { "Tls": { "Mode": "MESH" }, "TrafficPolicy": { "Tls": { "Mode": "MESH" } } } } } }
            """);

        Assert.Contains("is given twice", Assert.Single(batch.Issues).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("istio", true)]
    [InlineData("disabled", false)]
    [InlineData(null, false)]
    public void Create_ServiceEntry_TheLabelAndTheNamesAreTakenOver(string? label, bool speaks)
    {
        var labels = label is null ? "" : $", labels: {{ security.istio.io/tlsMode: {label} }}";
        var entry = One<ServiceEntryConfig>(Entry(
            $"hosts: [ a.example.com ]\nresolution: STATIC\nsubjectAltNames: [ 'spiffe://td/a', a.internal ]\nendpoints: [ {{ address: 10.0.0.1{labels} }} ]"));
        var host = ServiceEntryHost.Create("a.example.com", entry, new IssueList());

        Assert.Equal(["spiffe://td/a", "a.internal"], host.SubjectAltNames);
        Assert.Equal(speaks, Assert.Single(host.Endpoints).SpeaksMtls);
    }

    [Fact]
    public void Compile_WithPassThrough_Warns()
    {
        var compiled = Rule.Compile(One<DestinationRuleConfig>(
            Destination("trafficPolicy: { loadBalancer: { simple: PASSTHROUGH }, tls: { mode: SIMPLE } }")));

        Assert.Contains("tls has no effect with PASSTHROUGH", Assert.Single(compiled.Warnings()), StringComparison.Ordinal);
    }

    private static TlsSettingsConfig Yaml(string fields) =>
        One<DestinationRuleConfig>(Destination("trafficPolicy: { tls: { " + fields + " } }")).TrafficPolicy.Tls!;

    private static TlsSettingsConfig Json(string tls, bool nested = false)
    {
        var policy = nested ? $$"""{ "TrafficPolicy": { "Tls": {{tls}} } }""" : $$"""{ "Tls": {{tls}} }""";
        var batch = Rules.Reading.Reader.Configuration($$"""{ "Mesh": { "Destinations": { "reviews": {{policy}} } } }""");
        Assert.Empty(batch.Issues);
        return Assert.IsType<DestinationRuleConfig>(Assert.Single(batch.Rules)).TrafficPolicy.Tls!;
    }
}
