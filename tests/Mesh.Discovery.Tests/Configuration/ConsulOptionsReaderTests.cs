using System.Text.Json;
using Mesh.Discovery.Configuration;
using Mesh.Discovery.Consul;
using Mesh.Discovery.Tests.Rules.Reading;

namespace Mesh.Discovery.Tests.Configuration;

public sealed class ConsulOptionsReaderTests
{
    [Theory]
    [InlineData("consul:8500", "http://consul:8500/")]
    [InlineData("localhost:8500", "http://localhost:8500/")]
    [InlineData("[::1]:8500", "http://[::1]:8500/")]
    [InlineData("https://10.0.0.1:8501/", "https://10.0.0.1:8501/")]
    [InlineData("unix:///run/consul.sock", "unix:///run/consul.sock")]
    public void Read_Address_OfEachForm(string text, string address)
    {
        var options = Read($$"""{ "Address": {{JsonSerializer.Serialize(text)}} }""", out var errors);

        Assert.Empty(errors);
        Assert.Equal(address, options.Discovery.Consul.Address!.ToString());
    }

    [Theory]
    [InlineData("http://me:s3cret@consul:8500")]
    [InlineData("me:s3cret@consul:8500")]
    [InlineData("ftp://s3cret")]
    [InlineData("http://consul:8500/s3cret")]
    [InlineData("http://consul:8500?s3cret")]
    [InlineData("unix://s3cret")]
    [InlineData("s3cret:abc")]
    [InlineData("")]
    public void Read_BadAddress_IsRefusedAndNotShown(string text)
    {
        Read($$"""{ "Address": {{JsonSerializer.Serialize(text)}} }""", out var errors);

        var error = Assert.Single(errors);
        Assert.Contains("Mesh:Discovery:Consul:Address: is not the address of a Consul agent; allowed: 'host:port'", error, StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"s3cret s3cret\"")]
    [InlineData("\"s3cret\\n\"")]
    [InlineData("\"s3cr\u00e9t\"")]
    [InlineData("[ \"s3cret\" ]")]
    [InlineData("{ \"s3cret\": \"s3cret\" }")]
    public void Read_BadToken_IsRefusedAndNotShown(string token)
    {
        var options = Read($$"""{ "Token": {{token}} }""", out var errors);

        Assert.Equal("", options.Discovery.Consul.Token);
        Assert.Contains("Token: is not a token (it is not shown here); allowed: visible ASCII", Assert.Single(errors), StringComparison.Ordinal);
        Assert.DoesNotContain("s3cr", errors[0], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{ "Addres": "a:1" }""", "Mesh:Discovery:Consul:Addres: unknown key 'Addres'; did you mean 'Address'?")]
    [InlineData("""{ "Datacenter": "dc.1" }""", "Datacenter: 'dc.1' is not a datacenter; allowed: letters, digits, '-' and '_'")]
    [InlineData("""{ "WaitTime": "999ms" }""", "WaitTime: '999ms' is too short; allowed: at least 1000ms")]
    [InlineData("""{ "WaitTime": "10m1s" }""", "WaitTime: '10m1s' is too long; allowed: at most 600s")]
    [InlineData("""{ "RequestTimeout": "0" }""", "RequestTimeout: '0' is too short; allowed: at least 100ms")]
    [InlineData("""{ "ShrinkHold": "-1s" }""", "ShrinkHold: '-1s' is negative")]
    [InlineData("""{ "AllowStale": "perhaps" }""", "AllowStale: 'perhaps' is not a truth value")]
    [InlineData("""{ "Tags": "a" }""", "Tags: 'a' stands where a list is wanted")]
    [InlineData("""{ "Tags": [ "a", "" ] }""", "Tags:1: '' is empty")]
    [InlineData("""{ "Tls": { "ServerName": "a b" } }""", "Tls:ServerName: 'a b' is not a host")]
    [InlineData("""{ "Tls": { "KeyFile": "/a" } }""", "Tls: KeyFile is the key of CertificateFile, which is missing")]
    [InlineData("""{ "Tls": { "Cafile2": "/a" } }""", "did you mean 'CaFile'?")]
    [InlineData("""{ "Check": { "Type": "Tcp" } }""", "Check:Type: 'Tcp' is not known")]
    [InlineData("""{ "Check": { "Interval": "500ms" } }""", "Check:Interval: '500ms' is too short; allowed: at least 1000ms")]
    [InlineData("""{ "Check": { "Timeout": "6s" } }""", "Check: Timeout must not be longer than Interval")]
    [InlineData("""{ "Check": { "Path": "health" } }""", "Check:Path: 'health' is not a path; allowed: a path that starts with '/'")]
    [InlineData("""{ "Check": { "DeregisterCriticalServiceAfter": "59s" } }""", "DeregisterCriticalServiceAfter: '59s' is too short; allowed: at least 60000ms")]
    public void Read_BadValue_SaysPlaceValueAndWhatIsAllowed(string consul, string error)
    {
        Read(consul, out var errors);

        Assert.Contains(error, Assert.Single(errors), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_IntervalShorterThanTheDefaultTimeout_IsFine()
    {
        Read("""{ "Check": { "Interval": "1s" } }""", out var errors);

        Assert.Empty(errors);
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("a", "a/")]
    [InlineData("/a/b", "a/b/")]
    [InlineData("a/b/", "a/b/")]
    [InlineData("a b/c", "a b/c/")]
    public void Read_KeyPrefix_IsNormalized(string text, string prefix)
    {
        var options = new MeshOptions();

        Assert.Empty(MeshOptionsReader.Read(
            Reader.Json($$"""{ "Mesh": { "Config": { "Consul": { "KeyPrefix": "{{text}}" } } } }"""), options));
        Assert.Equal(prefix, options.Config.Consul.KeyPrefix);
    }

    [Theory]
    [InlineData("/")]
    [InlineData("//")]
    [InlineData("a//b")]
    [InlineData("a/../b")]
    [InlineData("./")]
    public void Read_KeyPrefixThatIsNone_IsRefused(string text)
    {
        var options = new MeshOptions();

        var issues = MeshOptionsReader.Read(
            Reader.Json($$"""{ "Mesh": { "Config": { "Consul": { "KeyPrefix": "{{text}}" } } } }"""), options);

        Assert.Contains(
            $"Mesh:Config:Consul:KeyPrefix: '{text}' is not a prefix of keys; allowed: ", Assert.Single(issues).ToString(), StringComparison.Ordinal);
        Assert.Equal("mesh/config/", options.Config.Consul.KeyPrefix);
    }

    [Fact]
    public void Validate_Defaults_AreFine()
    {
        Assert.Empty(ConsulOptionsCheck.Validate(new ConsulOptions()));
    }

    [Fact]
    public void Validate_OptionsSetInCode_ReportsAllAndNoSecret()
    {
        var options = new ConsulOptions
        {
            Address = new Uri("http://me:s3cret@consul:8500"),
            Token = "s3cret\r\n",
            Datacenter = "a b",
            WaitTime = TimeSpan.FromHours(1),
            RequestTimeout = TimeSpan.Zero,
            ShrinkHold = TimeSpan.FromSeconds(-1),
            Tags = { "" },
        };
        options.Check.Path = "x";
        options.Check.Interval = options.Check.Timeout = options.Check.DeregisterCriticalServiceAfter = TimeSpan.Zero;

        var problems = ConsulOptionsCheck.Validate(options).ToList();

        Assert.Equal(
            ["Address", "Datacenter", "Token", "Tags", "Check:Path", "WaitTime", "RequestTimeout", "ShrinkHold", "Check:Interval",
                "Check:Timeout", "Check:DeregisterCriticalServiceAfter"],
            problems.Select(static problem => problem.Split(' ')[0]));
        Assert.DoesNotContain(problems, static problem => problem.Contains("s3cret", StringComparison.Ordinal));
    }

    private static MeshOptions Read(string consul, out IReadOnlyList<string> errors)
    {
        var options = new MeshOptions();
        errors = [.. MeshOptionsReader.Read(Reader.Json($$"""{ "Mesh": { "Discovery": { "Consul": {{consul}} } } }"""), options)
            .Select(static issue => issue.ToString())];
        return options;
    }
}
