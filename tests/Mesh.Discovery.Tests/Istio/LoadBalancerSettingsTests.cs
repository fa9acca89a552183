using Mesh.Discovery.Configuration;
using Mesh.Discovery.Rules;
using static Mesh.Discovery.Tests.Rules.Reading.Reader;

namespace Mesh.Discovery.Tests.Istio;

/// <summary>What a load balancer has beside its policy.</summary>
public sealed class LoadBalancerSettingsTests
{
    [Fact]
    public void Read_Distribute_IsRead()
    {
        var setting = Read("""
            localityLbSetting:
              distribute:
              - from: eu/a/*
                to: { "eu/a/*": 80, "us/*": 15, "asia": 5 }
              - from: "*"
                to: { "eu": 100 }
            """).LocalityLbSetting!;

        Assert.Equal(["eu/a/*", "*"], setting.Distribute.Select(static entry => entry.From));
        Assert.Equal([80, 15, 5], setting.Distribute[0].To.Values);
    }

    [Fact]
    public void Read_FailoverAndPriority_AreRead()
    {
        var setting = Read("""
            localityLbSetting:
              failover: [ { from: eu, to: us }, { from: us, to: eu } ]
              failoverPriority: [ topology.istio.io/network, version=v1, "zone" ]
            """).LocalityLbSetting!;

        Assert.Equal([new("eu", "us"), new LocalityFailover("us", "eu")], setting.Failover);
        Assert.Equal(["topology.istio.io/network", "version=v1", "zone"], setting.FailoverPriority);
    }

    [Theory]
    [InlineData("enabled: true", null)]
    [InlineData("enabled: false", false)]
    [InlineData("failover: []", null)]
    public void Read_EnabledInADocument_IsIstiosRuleOrOff(string text, bool? enabled) =>
        Assert.Equal(enabled, Read($"localityLbSetting: {{ {text} }}").LocalityLbSetting!.Enabled);

    [Fact]
    public void Read_EnabledInConfiguration_IsInAnyCase()
    {
        var rule = Assert.IsType<DestinationRuleConfig>(Assert.Single(Rules.Reading.Reader.Configuration("""
            { "Mesh": { "Destinations": { "reviews": { "LoadBalancer": {
                "LocalityLbSetting": { "Enabled": true }, "Warmup": { "Duration": "1m" }, "Aperture": {} } } } } }
            """).Rules));

        var balancer = rule.TrafficPolicy.LoadBalancer!;
        Assert.True(balancer.LocalityLbSetting!.Enabled);
        Assert.Equal(new ApertureConfig { Size = 12 }, balancer.Aperture);
        Assert.Equal(new WarmupConfig { Duration = TimeSpan.FromMinutes(1) }, balancer.Warmup);
    }

    [Fact]
    public void Read_Outbound_IsReadAndEmptyMeansTheDefault()
    {
        var options = new MeshOptions();

        Assert.Empty(MeshOptionsReader.Read(Json("""{ "Mesh": { "Outbound": { "LocalityLbSetting": { "Enabled": false } } } }"""), options));
        Assert.False(options.Outbound.LocalityLbSetting.Enabled);
        Assert.Empty(MeshOptionsReader.Read(Json("""{ "Mesh": { "Outbound": { "LocalityLbSetting": {} } } }"""), options));
        Assert.Null(options.Outbound.LocalityLbSetting.Enabled);
    }

    [Fact]
    public void Read_Warmup_IsReadInBothSpellings()
    {
        Assert.Equal(
            new WarmupConfig { Duration = TimeSpan.FromSeconds(30), MinimumPercent = 5.5, Aggression = 2 },
            Read("warmup: { duration: 30s, minimumPercent: 5.5, aggression: 2 }").Warmup);
        Assert.Equal(new WarmupConfig { Duration = TimeSpan.FromSeconds(30) }, Read("warmupDurationSecs: 30s").Warmup);
    }

    [Fact]
    public void Read_WarmupWithHashing_IsAWarning()
    {
        One<DestinationRuleConfig>(
            Destination("trafficPolicy: { loadBalancer: { warmupDurationSecs: 5s, consistentHash: { useSourceIp: true } } }"), out var warnings);

        Assert.EndsWith("warmup has no effect with consistentHash", Assert.Single(warnings).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_ZoneAware_HasEnvoysDefaults() =>
        Assert.Equal((true, 6), Read("zoneAware: { enabled: true }").ZoneAware is { } zones ? (zones.Enabled, zones.MinClusterSize) : default);

    [Theory]
    [InlineData("localityLbSetting: { distribute: [ { from: eu, to: { us: 100 } } ], failover: [ { from: eu, to: us } ] }", "only one of distribute, failover is wanted")]
    [InlineData("localityLbSetting: { distribute: [ { from: eu, to: { us: 100 } } ], failoverPriority: [ a ] }", "only one of distribute, failoverPriority is wanted")]
    [InlineData("localityLbSetting: { distribute: [ { from: eu, to: { us: 90 } } ] }", "distribute[0]: the shares of to are 90 in all; wanted: 100")]
    [InlineData("localityLbSetting: { distribute: [ { from: eu, to: { us: 0, eu: 100 } } ] }", "to.us: '0' is out of range; allowed: a whole number from 1 to 100")]
    [InlineData("localityLbSetting: { distribute: [ { from: eu, to: { us: 50, us/a: 50 } } ] }", "'us/a' and 'us' overlap")]
    [InlineData("localityLbSetting: { distribute: [ { from: eu, to: { a/b/c/d: 100 } } ] }", "'a/b/c/d' is not a locality")]
    [InlineData("localityLbSetting: { distribute: [ { from: 'eu/*/a', to: { us: 100 } } ] }", "from: 'eu/*/a' is not a locality")]
    [InlineData("localityLbSetting: { distribute: [ { from: eu } ] }", "distribute[0]: 'to' is missing")]
    [InlineData("localityLbSetting: { failover: [ { from: eu, to: eu } ] }", "failover[0]: turns from 'eu' to itself")]
    [InlineData("localityLbSetting: { failover: [ { from: eu/a, to: us } ] }", "from: 'eu/a' is not a region")]
    [InlineData("localityLbSetting: { failoverPriority: [ a=b=c ] }", "failoverPriority[0]: 'a=b=c' is not a label")]
    [InlineData("localityLbSetting: { failoverPriority: [ a, a ] }", "failoverPriority[1]: 'a' is named twice")]
    [InlineData("localityLbSetting: { failovers: [] }", "unknown key 'failovers'; did you mean 'failover'?")]
    [InlineData("warmup: { aggression: 2 }", "warmup: 'duration' is missing")]
    [InlineData("warmup: { duration: 0s }", "duration: '0s' is too short")]
    [InlineData("warmup: { duration: 10s, minimumPercent: 101 }", "minimumPercent: '101' is not a number in range")]
    [InlineData("warmup: { duration: 10s, aggression: 0.5 }", "aggression: '0.5' is not a number in range")]
    [InlineData("warmup: { duration: 10s }, warmupDurationSecs: 10s", "only one of warmup, warmupDurationSecs is wanted")]
    [InlineData("aperture: { size: 0 }", "size: '0' is out of range; allowed: a whole number from 1 to 65535")]
    [InlineData("aperture: { size: 5 }, consistentHash: { useSourceIp: true }", "only one of consistentHash, aperture is wanted")]
    [InlineData("zoneAware: { enabled: true }, consistentHash: { useSourceIp: true }", "only one of consistentHash, zoneAware is wanted")]
    [InlineData("zoneAware: { enabled: true }, localityLbSetting: { failover: [ { from: a, to: b } ] }", "only one of localityLbSetting, zoneAware is wanted")]
    public void Read_Bad_SaysPlaceValueAndWhatIsAllowed(string balancer, string error) => Assert.Contains(
        error, Error(Destination($"trafficPolicy: {{ loadBalancer: {{ {balancer} }} }}")), StringComparison.Ordinal);

    private static LoadBalancerConfig Read(string balancer) => One<DestinationRuleConfig>(Destination(
        "trafficPolicy:\n  loadBalancer:\n    " + balancer.ReplaceLineEndings("\n    "))).TrafficPolicy.LoadBalancer!;
}
