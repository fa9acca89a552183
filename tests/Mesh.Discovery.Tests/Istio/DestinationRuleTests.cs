using Mesh.Discovery.Rules;
using static Mesh.Discovery.Tests.Rules.Reading.Reader;

namespace Mesh.Discovery.Tests.Istio;

public sealed class DestinationRuleTests
{
    [Fact]
    public void Read_EveryField_IsRead()
    {
        var rule = One<DestinationRuleConfig>(Destination("""
            trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN } }
            subsets:
            - name: v1
              labels: { version: v1, "app.kubernetes.io/name": reviews }
            - name: v2
              labels: { version: v2 }
              trafficPolicy:
                loadBalancer:
                  consistentHash:
                    httpCookie: { name: session, path: /, ttl: 1h }
                    ringHash: { minimumRingSize: 2048 }
            """));

        Assert.Equal(("reviews", "prod", "d"), (rule.Host, rule.Namespace, rule.Name));
        Assert.Equal("ROUND_ROBIN", rule.TrafficPolicy.LoadBalancer!.Simple);
        Assert.Equal(7, rule.TrafficPolicy.LoadBalancer.Location.Line + 1);
        Assert.Equal(["v1", "v2"], rule.Subsets.Select(static s => s.Name));
        Assert.Equal("reviews", rule.Subsets[0].Labels["app.kubernetes.io/name"]);
        Assert.Null(rule.Subsets[0].TrafficPolicy.LoadBalancer);
        var hash = rule.Subsets[1].TrafficPolicy.LoadBalancer!.ConsistentHash!;
        Assert.Equal(new HashCookieConfig("session", "/", TimeSpan.FromHours(1)), hash.HttpCookie);
        Assert.Equal((2048, false), (hash.MinimumRingSize, hash.Maglev));
    }

    [Theory]
    [InlineData("httpHeaderName: x-user")]
    [InlineData("httpQueryParameterName: user")]
    [InlineData("useSourceIp: true")]
    [InlineData("useSourceIp: false, httpHeaderName: x-user")]
    public void Read_HashKeys_AreRead(string key)
    {
        var rule = One<DestinationRuleConfig>(Destination(
            "trafficPolicy: { loadBalancer: { consistentHash: { " + key + ", maglev: { tableSize: 5003 } } } }"));

        var hash = rule.TrafficPolicy.LoadBalancer!.ConsistentHash!;
        Assert.Equal(key.Contains("x-user", StringComparison.Ordinal) ? "x-user" : null, hash.HttpHeaderName);
        Assert.Equal(key.Contains("httpQuery", StringComparison.Ordinal) ? "user" : null, hash.HttpQueryParameterName);
        Assert.Equal(key.EndsWith("true", StringComparison.Ordinal), hash.UseSourceIp);
        Assert.Equal((true, 5003), (hash.Maglev, hash.TableSize));
    }

    [Fact]
    public void Read_HashWithoutAlgorithm_IsARingOfTheDefaultSize()
    {
        var rule = One<DestinationRuleConfig>(Destination(
            "trafficPolicy: { loadBalancer: { consistentHash: { httpHeaderName: x-user } } }"));

        var hash = rule.TrafficPolicy.LoadBalancer!.ConsistentHash!;
        Assert.Equal((false, 1024, 65537), (hash.Maglev, hash.MinimumRingSize, hash.TableSize));
    }

    [Fact]
    public void Read_DeprecatedRingSize_IsRead()
    {
        var rule = One<DestinationRuleConfig>(Destination(
            "trafficPolicy: { loadBalancer: { consistentHash: { httpHeaderName: x-user, minimumRingSize: \"64\" } } }"));

        Assert.Equal(64, rule.TrafficPolicy.LoadBalancer!.ConsistentHash!.MinimumRingSize);
    }

    [Theory]
    [InlineData("LEAST_REQUEST", "LEAST_REQUEST")]
    [InlineData("LEAST_CONN", "LEAST_REQUEST")]
    [InlineData("UNSPECIFIED", "LEAST_REQUEST")]
    [InlineData("ROUND_ROBIN", "ROUND_ROBIN")]
    [InlineData("RANDOM", "RANDOM")]
    [InlineData("PASSTHROUGH", "PASSTHROUGH")]
    [InlineData("PEAK_EWMA", "PEAK_EWMA")]
    [InlineData("MyOwn", "MyOwn")]
    public void Read_Simple_HasOneSpelling(string written, string read)
    {
        var rule = One<DestinationRuleConfig>(Destination($"trafficPolicy: {{ loadBalancer: {{ simple: {written} }} }}"));

        Assert.Equal(read, rule.TrafficPolicy.LoadBalancer!.Simple);
    }

    [Theory]
    [InlineData("connectionPool: { tcp: { tcpKeepalive: { probes: 1 } } }", "connectionPool.tcp.tcpKeepalive")]
    [InlineData("connectionPool: { http: { maxRequestsPerConnection: 2 } }", "connectionPool.http.maxRequestsPerConnection")]
    [InlineData("connectionPool: { http: { h2UpgradePolicy: UPGRADE } }", "connectionPool.http.h2UpgradePolicy")]
    [InlineData("tls: { mode: SIMPLE, credentialName: a }", "tls.credentialName")]
    [InlineData("tls: { mode: SIMPLE, caCrl: a.pem }", "tls.caCrl")]
    [InlineData("portLevelSettings: [ { port: { number: 80 } } ]", "portLevelSettings")]
    [InlineData("tunnel: { targetHost: a, targetPort: 1 }", "tunnel")]
    [InlineData("proxyProtocol: { version: V1 }", "proxyProtocol")]
    [InlineData("loadBalancer: { zoneAwareLbSetting: { enabled: true } }", "loadBalancer.zoneAwareLbSetting")]
    [InlineData(
        "loadBalancer: { consistentHash: { httpCookie: { name: a, attributes: [] } } }",
        "loadBalancer.consistentHash.httpCookie.attributes")]
    public void Read_FieldWithoutSupport_IsAWarningAndInStrictAnError(string field, string path)
    {
        var text = Destination("trafficPolicy:\n  " + field);

        One<DestinationRuleConfig>(text, out var warnings);
        Assert.Equal(
            new SourceLocation(Origin, "spec.trafficPolicy." + path, 7, "DestinationRule prod/d"), Assert.Single(warnings).Location);
        Assert.Contains("Mesh:Config:Strict is true", Error(text, strict: true), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("exportTo: [ . ]", "exportTo")]
    [InlineData("workloadSelector: { matchLabels: { app: a } }", "workloadSelector")]
    public void Read_SpecFieldWithoutSupport_IsAWarning(string field, string path)
    {
        One<DestinationRuleConfig>(Destination(field), out var warnings);

        Assert.Equal("spec." + path, Assert.Single(warnings).Location.Path);
    }

    [Theory]
    [InlineData("loadBalancer: { simple: RANDOM, consistentHash: { httpHeaderName: a } }", "only one of simple, consistentHash is wanted")]
    [InlineData("loadBalancer: { simple: 'a b' }", "simple: 'a b' is not the name of a policy")]
    [InlineData("loadBalancer: { simpel: RANDOM }", "simpel: unknown key 'simpel'; did you mean 'simple'? (allowed: simple, consistentHash, localityLbSetting, warmup, warmupDurationSecs, zoneAware, aperture)")]
    [InlineData("loadBalancer: { consistentHash: {} }", "exactly one of httpHeaderName, httpCookie, useSourceIp, httpQueryParameterName is wanted, and there are 0")]
    [InlineData("loadBalancer: { consistentHash: { useSourceIp: false } }", "and there are 0")]
    [InlineData("loadBalancer: { consistentHash: { useSourceIp: true, httpHeaderName: a } }", "and there are 2")]
    [InlineData("loadBalancer: { consistentHash: { httpHeaderName: 'a b' } }", "httpHeaderName: 'a b' is not a header name")]
    [InlineData("loadBalancer: { consistentHash: { httpCookie: { path: / } } }", "httpCookie: 'name' is missing")]
    [InlineData("loadBalancer: { consistentHash: { httpCookie: { name: 'a;b' } } }", "name: 'a;b' is not a cookie name")]
    [InlineData("loadBalancer: { consistentHash: { httpCookie: { name: a, path: '/;HttpOnly' } } }", "path: '/;HttpOnly' is not a cookie path")]
    [InlineData("loadBalancer: { consistentHash: { httpCookie: { name: a, ttl: 5 } } }", "ttl: '5' has no unit")]
    [InlineData("loadBalancer: { consistentHash: { httpHeaderName: a, maglev: { tableSize: 65536 } } }", "tableSize: '65536' is not a prime number")]
    [InlineData("loadBalancer: { consistentHash: { httpHeaderName: a, maglev: { tableSize: 9999991999 } } }", "tableSize: '9999991999' is out of range; allowed: a whole number from 2 to 5000011")]
    [InlineData("loadBalancer: { consistentHash: { httpHeaderName: a, maglev: {}, ringHash: {} } }", "only one of ringHash, maglev is wanted")]
    [InlineData("loadBalancer: { consistentHash: { httpHeaderName: a, ringHash: { minimumRingSize: 0 } } }", "minimumRingSize: '0' is out of range; allowed: a whole number from 1 to 8388608")]
    [InlineData("loadBalancer: ROUND_ROBIN", "loadBalancer: 'ROUND_ROBIN' stands where keys and values are wanted")]
    [InlineData("loadBalancr: {}", "loadBalancr: unknown key 'loadBalancr'; did you mean 'loadBalancer'?")]
    public void Read_BadPolicy_SaysPlaceValueAndWhatIsAllowed(string field, string error)
    {
        var message = Error(Destination("trafficPolicy:\n  " + field));

        Assert.StartsWith($"{Origin}:7: DestinationRule prod/d: spec.trafficPolicy", message, StringComparison.Ordinal);
        Assert.Contains(error, message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("- labels: { version: v1 }", "subsets[0]: 'name' is missing")]
    [InlineData("- { name: '' }", "subsets[0].name: '' is empty")]
    [InlineData("- { name: v1, labels: { version: 1.10 } }", "subsets[0].labels.version: '1.10' is a number or truth value and not a text; allowed: a text, in quotes: \"1.10\"")]
    [InlineData("- { name: v1, labels: { version: [ a ] } }", "labels.version: a list is not a text")]
    [InlineData("- { name: v1, labels: [ a ] }", "labels: a list stands where keys and values are wanted")]
    [InlineData("- { name: v1, label: { a: b } }", "subsets[0].label: unknown key 'label'; did you mean 'labels'?")]
    [InlineData("- { name: v1 }\n- { name: v1 }", "subsets[1]: the subset 'v1' is already defined at spec.subsets[0]")]
    public void Read_BadSubset_SaysPlaceAndReason(string subsets, string error)
    {
        Assert.Contains(error, Error(Destination("subsets:\n" + subsets)), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_DuplicateKey_IsAnErrorOfTheDocument()
    {
        var errors = Errors(Destination("host: ratings"));

        Assert.Equal(
            $"{Origin}:6: DestinationRule prod/d: spec.host: duplicate key 'host'; it is already on line 5", Assert.Single(errors));
    }

    [Fact]
    public void Read_MissingHost_IsAnError()
    {
        Assert.Contains("spec: 'host' is missing", Error(Destination("").Replace("host: reviews", "", StringComparison.Ordinal)
            + "subsets: []"), StringComparison.Ordinal);
    }
}
