using System.Text.Json;
using Mesh.Discovery.Consul;

namespace Mesh.Discovery.Tests.Consul;

public sealed class HealthReaderTests
{
    private readonly ConsulOptions _options = new();

    [Theory]
    [InlineData(null, "prod", true)]
    [InlineData("", "prod", true)]
    [InlineData("PROD", "prod", true)]
    [InlineData("staging", "prod", false)]
    [InlineData("staging", "staging", true)]
    [InlineData(null, "staging", false)]
    [InlineData("a.b", "prod", true)]
    [InlineData("staging", null, true)]
    public void Read_Namespace_IsThatOfTheMetaOrOnesOwn(string? meta, string? asked, bool isIn)
    {
        var pair = meta is null ? "" : $$""", "Meta": { "mesh-namespace": "{{meta}}" }""";
        var endpoints = Read($$"""[ { "Node": {}, "Service": { "Address": "10.0.0.1", "Port": 80{{pair}} } } ]""", asked);

        Assert.Equal(isIn, endpoints.Count == 1);
    }

    [Theory]
    [InlineData("""{ "Address": "10.0.0.1", "Port": 80 }""", "http://10.0.0.1/")]
    [InlineData("""{ "Address": "", "Port": 81 }""", "http://10.9.9.9:81/")]
    [InlineData("""{ "Port": 81 }""", "http://10.9.9.9:81/")]
    [InlineData("""{ "Address": "2001:db8::1", "Port": 81 }""", "http://[2001:db8::1]:81/")]
    [InlineData("""{ "Address": "[2001:db8::1]", "Port": 81 }""", "http://[2001:db8::1]:81/")]
    [InlineData("""{ "Address": "web.internal", "Port": 443, "Meta": { "mesh-scheme": "https" } }""", "https://web.internal/")]
    [InlineData("""{ "Address": "a", "Port": 1, "TaggedAddresses": { "wan": { "Address": "b", "Port": 2 } } }""", "http://b:2/")]
    [InlineData("""{ "Address": "a", "Port": 1, "TaggedAddresses": { "wan": { "Address": "b" } } }""", "http://b:1/")]
    [InlineData("""{ "Address": "a", "Port": 1, "TaggedAddresses": { "lan": { "Address": "b", "Port": 2 } } }""", "http://a:1/")]
    [InlineData("""{ "Address": "a", "Port": 1, "TaggedAddresses": { "wan": null } }""", "http://a:1/")]
    [InlineData("""{ "Address": "a", "Port": 1, "TaggedAddresses": { "wan": { "Address": "", "Port": 2 } } }""", "http://10.9.9.9:2/")]
    public void Read_Address_IsTheOneToDial(string service, string address)
    {
        _options.TaggedAddress = "wan";
        var endpoint = Assert.Single(Read($$"""[ { "Node": { "Address": "10.9.9.9" }, "Service": {{service}} } ]"""));

        Assert.Equal(address, endpoint.Address.ToString());
    }

    [Theory]
    [InlineData("10.0.0.1", 0)]
    [InlineData("10.0.0.1", -1)]
    [InlineData("10.0.0.1", 65536)]
    [InlineData("evil/..@x", 80)]
    [InlineData("evil@x", 80)]
    [InlineData("evil/path", 80)]
    [InlineData("evil?x=", 80)]
    [InlineData("evil#x", 80)]
    [InlineData("evil\\\\x", 80)]
    [InlineData("evil:81/x", 80)]
    [InlineData("a b", 80)]
    [InlineData("a\\r\\nHost: b", 80)]
    [InlineData("[::1", 80)]
    [InlineData(":::::", 80)]
    [InlineData("http://x", 80)]
    [InlineData("/x", 80)]
    [InlineData("", 80)]
    public void Read_AddressThatIsNone_IsLeftOutAndTheOthersStay(string address, int port)
    {
        var endpoints = Read($$"""
            [ { "Node": {}, "Service": { "Address": "{{address}}", "Port": {{port}} } },
              { "Node": {}, "Service": { "Address": "good", "Port": 80 } } ]
            """);

        Assert.Equal("good", Assert.Single(endpoints).Address.Host);
    }

    [Theory]
    [InlineData("""[]""", 7, true)]
    [InlineData("""null""", 7, true)]
    [InlineData("""[ { "Status": "passing" } ]""", 7, true)]
    [InlineData("""[ { "Status": "passing" }, { "Status": "warning" } ]""", 2, true)]
    [InlineData("""[ { "Status": "warning" }, { "Status": "critical" } ]""", 7, false)]
    [InlineData("""[ { "CheckID": "_node_maintenance", "Status": "critical" } ]""", 7, false)]
    [InlineData("""[ { "Status": "maintenance" } ]""", 7, false)]
    [InlineData("""[ { "Status": "" } ]""", 7, false)]
    [InlineData("""[ null ]""", 7, false)]
    public void Read_Checks_DecideHealthAndWeight(string checks, int weight, bool isHealthy)
    {
        var json = $$"""
            [ { "Node": {}, "Service": { "Address": "a", "Port": 80, "Weights": { "Passing": 7, "Warning": 2 } }, "Checks": {{checks}} } ]
            """;
        var endpoint = Assert.Single(Read(json));
        _options.PassingOnly = true;
        var strict = Assert.Single(Read(json));

        Assert.Equal((weight, isHealthy), (endpoint.Weight, endpoint.Health == EndpointHealth.Healthy));
        Assert.Equal(isHealthy && weight == 7, strict.Health == EndpointHealth.Healthy);
    }

    [Theory]
    [InlineData("""{ "Passing": -5, "Warning": 0 }""", 0)]
    [InlineData("""{ "Passing": 2147483647, "Warning": 0 }""", 2147483647)]
    [InlineData("""null""", 1)]
    public void Read_Weights_AreNeverBelowZero(string weights, int weight) =>
        Assert.Equal(weight, Assert.Single(Read(
            $$"""[ { "Node": {}, "Service": { "Address": "a", "Port": 80, "Weights": {{weights}} } } ]""")).Weight);

    [Theory]
    [InlineData("critical", "passing")]
    [InlineData("passing", "critical")]
    public void Read_TwoAtOneAddress_AreTheHealthierOne(string first, string second)
    {
        var endpoint = Assert.Single(Read($$"""
            [ { "Node": {}, "Service": { "ID": "1", "Address": "A", "Port": 80 }, "Checks": [ { "Status": "{{first}}" } ] },
              { "Node": {}, "Service": { "ID": "2", "Address": "a", "Port": 80 }, "Checks": [ { "Status": "{{second}}" } ] } ]
            """));

        Assert.Equal(EndpointHealth.Healthy, endpoint.Health);
    }

    [Fact]
    public void Read_Nulls_AreLeftOut()
    {
        var endpoints = Read("""
            [ null, {}, { "Node": null, "Service": null }, { "Node": {}, "Service": {} },
              { "Node": { "Meta": { "zone": null } }, "Service": { "Address": "a", "Port": 80, "ID": null, "Service": null,
                "Tags": [ null ], "Meta": { "version": null, "mesh-region": null, "mesh-labels": null } } },
              { "Node": { "Meta": null }, "Service": { "Address": "b", "Port": 80, "Tags": null, "Meta": null, "TaggedAddresses": null } } ]
            """);

        Assert.Equal(["a", "b"], endpoints.Select(static e => e.Address.Host));
        Assert.All(endpoints, static e => Assert.NotNull(e.ToString()));
        Assert.All(endpoints, static e => Assert.All(e.Labels, static label => Assert.NotNull(label.Value)));
    }

    [Fact]
    public void Read_Locality_IsTheInstancesThenConsulsThenTheNodes()
    {
        var endpoints = Read("""
            [ { "Node": { "Datacenter": "dc1" }, "Service": { "Address": "a", "Port": 80 } },
              { "Node": { "Datacenter": "dc1", "Meta": { "region": "r", "zone": "z" } }, "Service": { "Address": "b", "Port": 80 } },
              { "Node": { "Datacenter": "dc1", "Locality": { "Region": "r1", "Zone": "z1" } }, "Service": { "Address": "c", "Port": 80 } },
              { "Node": { "Datacenter": "dc1", "Locality": { "Region": "r1" } },
                "Service": { "Address": "d", "Port": 80, "Meta": { "mesh-region": "own", "mesh-zone": "z3" } } } ]
            """);

        Assert.Equal(
            [new Locality("dc1", ""), new Locality("r", "z"), new Locality("r1", "z1"), new Locality("own", "z3")],
            endpoints.Select(static e => e.Locality));
    }

    [Fact]
    public void Read_TenThousand_AreOrderedAndShareEqualParts()
    {
        var json = $"[{string.Join(',', Enumerable.Range(0, 10_000).Reverse().Select(static n => $$"""
            { "Node": { "Node": "n{{n % 10}}", "ID": "x" }, "Service": { "ID": "{{n}}", "Address": "10.0.{{n / 100}}.{{n % 100}}", "Port": 80,
              "Meta": { "version": "v{{n % 3}}" } } }
            """))}]";
        var endpoints = Read(json);

        Assert.Equal(10_000, endpoints.Count);
        Assert.Equal(endpoints.OrderBy(static e => e.Address.Authority, StringComparer.Ordinal), endpoints);
        Assert.Equal(3, endpoints.Select(static e => e.Labels).Distinct(ReferenceEqualityComparer.Instance).Count());
        Assert.Equal(10, endpoints.Select(static e => e.Consul!.Node).Distinct(ReferenceEqualityComparer.Instance).Count());
    }

    [Theory]
    [InlineData(true, """ "Connect": { "Native": true } """, true)]
    [InlineData(false, """ "Connect": { "Native": true } """, false)]
    [InlineData(true, """ "Connect": { "Native": false } """, false)]
    [InlineData(true, """ "Connect": null """, false)]
    [InlineData(true, """ "Meta": { "mesh-mtls": "true" } """, true)]
    [InlineData(false, """ "Meta": { "mesh-mtls": "true" } """, true)]
    [InlineData(false, """ "Meta": { "mesh-mtls": "yes" } """, false)]
    public void Read_NativeOrSaysSo_SpeaksMtls(bool usesConnect, string says, bool speaks)
    {
        _options.UsesConnect = usesConnect;
        var endpoint = Assert.Single(Read($$"""[ { "Node": {}, "Service": { {{says}}, "Address": "10.0.0.1", "Port": 80 } } ]"""));

        Assert.Equal(speaks, endpoint.SpeaksMtls);
        Assert.False(endpoint.Consul!.IsProxy);
        Assert.Empty(endpoint.Labels);
    }

    [Fact]
    public void Read_Sidecars_TakeThePlacesOfTheirInstances()
    {
        const string Plain = """
            [ { "Node": { "Node": "a", "Address": "10.0.0.1" }, "Service": { "ID": "web-1", "Service": "web", "Port": 80, "Meta": { "version": "v1" }, "Weights": { "Passing": 5, "Warning": 1 } } },
              { "Node": { "Node": "b", "Address": "10.0.0.2" }, "Service": { "ID": "web-1", "Service": "web", "Port": 80, "Meta": { "version": "v2", "mesh-scheme": "https" } } },
              { "Node": { "Node": "c", "Address": "10.0.0.3" }, "Service": { "ID": "web-1", "Service": "web", "Port": 80 } },
              { "Node": { "Node": "d", "Address": "10.0.0.4" }, "Service": { "ID": "web-1", "Service": "web", "Port": 80 }, "Checks": [ { "Status": "critical" } ] },
              { "Node": { "Node": "e", "Address": "10.0.0.5" }, "Service": { "ID": "web-1", "Service": "web" } },
              { "Node": { "Node": "f", "Address": "10.0.0.6" }, "Service": { "ID": "web-1", "Service": "web", "Port": 80, "Meta": { "mesh-namespace": "other" } } } ]
            """;
        const string Connect = """
            [ { "Node": { "Node": "a", "Address": "10.0.0.1" }, "Service": { "ID": "p", "Service": "web-sidecar-proxy", "Kind": "connect-proxy", "Port": 20000, "Proxy": { "DestinationServiceName": "web", "DestinationServiceID": "web-1" } } },
              { "Node": { "Node": "b", "Address": "10.0.0.2" }, "Service": { "ID": "p", "Service": "web-sidecar-proxy", "Kind": "connect-proxy", "Port": 20000, "Proxy": { "DestinationServiceName": "web" } }, "Checks": [ { "Status": "critical" } ] },
              { "Node": { "Node": "d", "Address": "10.0.0.4" }, "Service": { "ID": "p", "Service": "web-sidecar-proxy", "Kind": "connect-proxy", "Port": 20000, "Proxy": { "DestinationServiceName": "web", "DestinationServiceID": "web-1" } } },
              { "Node": { "Node": "e", "Address": "10.0.0.5" }, "Service": { "ID": "p", "Service": "web-sidecar-proxy", "Kind": "connect-proxy", "Port": 20000, "Proxy": { "DestinationServiceID": "web-1" } } },
              { "Node": { "Node": "f", "Address": "10.0.0.6" }, "Service": { "ID": "p", "Service": "web-sidecar-proxy", "Kind": "connect-proxy", "Port": 20000, "Proxy": { "DestinationServiceID": "web-1" } } },
              { "Node": { "Node": "z", "Address": "10.0.0.9" }, "Service": { "ID": "p", "Service": "web-sidecar-proxy", "Kind": "connect-proxy", "Port": 20000, "Proxy": { "DestinationServiceID": "unknown" } } },
              { "Node": { "Node": "c", "Address": "10.0.0.3" }, "Service": { "ID": "web-1", "Service": "web", "Port": 80, "Connect": { "Native": true } } } ]
            """;

        var endpoints = Read(Plain, connect: Connect);

        Assert.Equal(
            ["http://10.0.0.1:20000/", "http://10.0.0.2:20000/", "http://10.0.0.3/", "http://10.0.0.4:20000/", "http://10.0.0.5:20000/", "http://10.0.0.9:20000/"],
            endpoints.Select(static e => e.Address.ToString()));
        Assert.Equal([true, true, false, true, true, true], endpoints.Select(static e => e.SpeaksMtls));
        Assert.Equal([true, true, false, true, true, true], endpoints.Select(static e => e.Consul!.IsProxy));
        Assert.Equal([true, false, true, false, true, true], endpoints.Select(static e => e.Health == EndpointHealth.Healthy));
        Assert.Equal(("v1", 5, "web-1"), (endpoints[0].Labels["version"], endpoints[0].Weight, endpoints[0].Consul!.Id));
        Assert.Equal("v2", endpoints[1].Labels["version"]);
    }

    private IReadOnlyList<Endpoint> Read(string json, string? @namespace = "prod", string? connect = null) =>
        new HealthReader(_options).Read(
            JsonSerializer.Deserialize(json, ConsulHealthJson.Default.HealthEntryArray)!, @namespace, "prod",
            connect is null ? null : JsonSerializer.Deserialize(connect, ConsulHealthJson.Default.HealthEntryArray)!);
}
