using Mesh.Discovery.Configuration;
using Mesh.Discovery.Tests.Rules.Reading;

namespace Mesh.Discovery.Tests.Configuration;

public sealed class MeshOptionsReaderTests
{
    [Fact]
    public void Read_EveryKey_IsRead()
    {
        var options = new MeshOptions();

        var issues = MeshOptionsReader.Read(Reader.Json(ConfigurationSamples.Full), options);

        Assert.Empty(issues);
        Assert.Equal(("productpage", "prod", 2), (options.Service, options.Namespace, options.Weight));
        Assert.Equal("v1", options.Labels["version"]);
        Assert.Equal(new Locality("eu", "eu-1", "rack-7"), options.Locality);
        Assert.Equal(new Uri("http://10.1.2.3:8080"), options.Advertise);
        Assert.Equal(["File", "Configuration"], options.Discovery.Providers);
        Assert.Equal("/var/mesh", options.Discovery.File.Path);
        Assert.Equal(TimeSpan.FromMilliseconds(100), options.Discovery.File.PollInterval);
        Assert.Equal(TimeSpan.FromSeconds(2), options.Discovery.File.HeartbeatInterval);
        Assert.Equal(TimeSpan.FromSeconds(10), options.Discovery.File.Expiry);
        var consul = options.Discovery.Consul;
        Assert.Equal(new Uri("https://consul.example.com:8501"), consul.Address);
        Assert.Equal("dc2", consul.Datacenter);
        Assert.Equal("00000000-0000-4000-8000-000000000000", consul.Token);
        Assert.Equal("/run/secrets/consul", consul.TokenFile);
        Assert.Equal((false, true), (consul.AllowStale, consul.PassingOnly));
        Assert.Equal(TimeSpan.FromSeconds(30), consul.WaitTime);
        Assert.Equal(TimeSpan.FromSeconds(5), consul.RequestTimeout);
        Assert.Equal(TimeSpan.FromMinutes(2), consul.ShrinkHold);
        Assert.Equal("/var/mesh/consul", consul.SavedViewPath);
        Assert.Equal(["reviews", "ratings.prod"], consul.Follow);
        Assert.Equal(["blue", "green"], consul.Tags);
        Assert.Equal(("/etc/ca.pem", "/etc/own.pem", "/etc/own.key"), (consul.Tls.CaFile, consul.Tls.CertificateFile, consul.Tls.KeyFile));
        Assert.Equal(("server.dc2.consul", false), (consul.Tls.ServerName, consul.Tls.Verify));
        Assert.Equal((ConsulCheckType.Grpc, "/health?deep=1"), (consul.Check.Type, consul.Check.Path));
        Assert.Equal((TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(1)), (consul.Check.Interval, consul.Check.Timeout));
        Assert.Equal(TimeSpan.FromMinutes(5), consul.Check.DeregisterCriticalServiceAfter);
        Assert.Equal("infra/mesh/", options.Config.Consul.KeyPrefix);
        Assert.Equal((false, false), (options.Config.Consul.ConfigEntries, options.Config.Consul.Intentions));
        Assert.Equal(["mesh/*.yaml"], options.Config.Files);
        Assert.True(options.Config.Strict);
        Assert.Equal(1048576, options.Config.MaxFileSize);
        Assert.Equal(TimeSpan.FromSeconds(1), options.Config.PollInterval);
        Assert.Equal(UnknownHosts.Refuse, options.Outbound.UnknownHosts);
        Assert.Equal(TimeSpan.FromSeconds(3), options.Outbound.FirstViewTimeout);
        Assert.Equal(TimeSpan.FromMinutes(1), options.Outbound.Timeout);
        Assert.Equal(TimeSpan.Zero, options.Outbound.PerTryTimeout);
        Assert.Equal(TimeSpan.FromMinutes(1), options.Outbound.IdleTimeout);
        Assert.Equal(TimeSpan.FromSeconds(2), options.Outbound.ConnectTimeout);
        Assert.Equal(1, options.Outbound.RetryAttempts);
        Assert.Equal((false, true), (options.Inbound.Deadlines, options.Inbound.TrustPriority));
        var concurrency = options.Inbound.Concurrency;
        Assert.Equal((AdaptiveConcurrencyMode.Enforce, 5, 200), (concurrency.Mode, concurrency.MinLimit, concurrency.MaxLimit));
        Assert.Equal((0.5, 0.05), (concurrency.Window.TotalSeconds, concurrency.MaxWait.TotalSeconds));
        Assert.Equal(["/status", "/probe"], concurrency.ExemptPaths);
        Assert.Equal(TimeSpan.FromSeconds(5), options.Drain.Delay);
        Assert.False(options.Admin.Enabled);
        Assert.Equal(["cluster.local/ns/ops/sa/console", "*/sa/admin"], options.Admin.Identities);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{ "Mesh": {} }""")]
    [InlineData("""{ "Mesh": null }""")]
    [InlineData("""{ "Mesh": { "Labels": {}, "Config": null, "Discovery": { "Providers": [] } } }""")]
    public void Read_Nothing_LeavesTheDefaults(string json)
    {
        var options = new MeshOptions();

        Assert.Empty(MeshOptionsReader.Read(Reader.Json(json), options));
        Assert.Equal("default", options.Namespace);
        Assert.Equal(1, options.Weight);
        Assert.Equal(TimeSpan.FromMilliseconds(250), options.Config.PollInterval);
    }

    [Theory]
    [InlineData("""{ "Servcie": "a" }""", "Mesh:Servcie: unknown key 'Servcie'; did you mean 'Service'?")]
    [InlineData("""{ "Service": "a.b" }""", "Mesh:Service: 'a.b' is not a name; allowed: letters, digits")]
    [InlineData("""{ "Namespace": "a b" }""", "Mesh:Namespace: 'a b' is not a name")]
    [InlineData("""{ "Weight": 70000 }""", "Mesh:Weight: '70000' is out of range; allowed: a whole number from 0 to 65535")]
    [InlineData("""{ "Weight": -1 }""", "Mesh:Weight: '-1' is out of range")]
    [InlineData("""{ "Labels": "a" }""", "Mesh:Labels: 'a' stands where keys and values are wanted")]
    [InlineData("""{ "Locality": "eu" }""", "Mesh:Locality: 'eu' stands where keys and values are wanted")]
    [InlineData("""{ "Locality": { "Regoin": "eu" } }""", "Mesh:Locality:Regoin: unknown key 'Regoin'; did you mean 'Region'? (allowed: Region, Zone, SubZone)")]
    [InlineData("""{ "Advertise": "10.1.2.3" }""", "Mesh:Advertise: '10.1.2.3' is not an address")]
    [InlineData("""{ "Discovery": { "Providers": "File" } }""", "Mesh:Discovery:Providers: 'File' stands where a list is wanted")]
    [InlineData("""{ "Discovery": { "Providers": [ "" ] } }""", "Mesh:Discovery:Providers:0: '' is empty")]
    [InlineData("""{ "Discovery": { "Provider": "File" } }""", "did you mean 'Providers'?")]
    [InlineData("""{ "Discovery": { "File": { "Expiry": "1s" } } }""", "Mesh:Discovery:File: Expiry must be longer than HeartbeatInterval")]
    [InlineData("""{ "Discovery": { "File": { "PollInterval": "0s" } } }""", "PollInterval: '0s' is too short; allowed: at least 10ms")]
    [InlineData("""{ "Config": { "Strict": "perhaps" } }""", "Mesh:Config:Strict: 'perhaps' is not a truth value; allowed: true or false")]
    [InlineData("""{ "Config": { "MaxFileSize": 0 } }""", "Mesh:Config:MaxFileSize: '0' is out of range")]
    [InlineData("""{ "Config": { "PollInterval": "1" } }""", "Mesh:Config:PollInterval: '1' has no unit")]
    [InlineData("""{ "Outbound": { "UnknownHosts": "Deny" } }""", "Mesh:Outbound:UnknownHosts: 'Deny' is not known (allowed: Allow, Refuse)")]
    [InlineData("""{ "Outbound": { "Timeout": "-1s" } }""", "Mesh:Outbound:Timeout: '-1s' is negative")]
    [InlineData("""{ "Admin": { "Identities": [ "every one" ] } }""", "Mesh:Admin:Identities:0: 'every one' is not a principal")]
    [InlineData("""{ "Admin": { "Identities": [ "a*b" ] } }""", "Mesh:Admin:Identities:0: 'a*b' is not a principal")]
    [InlineData("\"on\"", "Mesh: 'on' stands where keys and values are wanted")]
    public void Read_BadValue_SaysPlaceValueAndWhatIsAllowed(string mesh, string error)
    {
        var issues = MeshOptionsReader.Read(Reader.Json($$"""{ "Mesh": {{mesh}} }"""), new MeshOptions());

        Assert.Contains(error, Assert.Single(issues).ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_SeveralErrors_AreAllReported()
    {
        var issues = MeshOptionsReader.Read(
            Reader.Json("""{ "Mesh": { "Weight": "x", "Config": { "Fils": [] }, "Drain": { "Delay": "y" } } }"""), new MeshOptions());

        Assert.Equal(
            ["Mesh:Weight", "Mesh:Config:Fils", "Mesh:Drain:Delay"], issues.Select(static issue => issue.Location.Path));
    }
}
