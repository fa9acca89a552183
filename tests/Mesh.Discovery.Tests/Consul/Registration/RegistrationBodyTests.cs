using System.Text.Json;
using Mesh.Discovery.Catalogs;
using Mesh.Discovery.Consul.Registration;

namespace Mesh.Discovery.Tests.Consul.Registration;

public sealed class RegistrationBodyTests
{
    [Fact]
    public void Create_Http_CallsThePathOfTheInstance()
    {
        var check = Body("http://10.1.2.3:8080").GetProperty("Check");

        Assert.Equal("""{"CheckID":"service:web-1","Name":"GET /mesh/health","HTTP":"http://10.1.2.3:8080/mesh/health","Interval":"5000ms","Timeout":"2000ms","Status":"passing","DeregisterCriticalServiceAfter":"60000ms"}""", check.GetRawText());
    }

    [Fact]
    public void Create_Https_DoesNotVerify()
    {
        var check = Body("https://[::1]:8443").GetProperty("Check");

        Assert.Equal("https://[::1]:8443/mesh/health", check.GetProperty("HTTP").GetString());
        Assert.True(check.GetProperty("TLSSkipVerify").GetBoolean());
    }

    [Theory]
    [InlineData("http://10.1.2.3:5000", "10.1.2.3:5000", false)]
    [InlineData("https://[::1]:5000", "[::1]:5000", true)]
    public void Create_Grpc_CallsThePort(string address, string target, bool tls)
    {
        var check = Body(address, static o => o.Check.Type = ConsulCheckType.Grpc).GetProperty("Check");

        Assert.Equal(target, check.GetProperty("GRPC").GetString());
        Assert.Equal(tls, check.TryGetProperty("GRPCUseTLS", out _));
        Assert.Equal(tls, check.TryGetProperty("TLSSkipVerify", out _));
        Assert.False(check.TryGetProperty("HTTP", out _));
    }

    [Fact]
    public void Create_Ttl_IsThreeIntervalsAndNothingElse()
    {
        var check = Body("http://a:1", static o => o.Check.Type = ConsulCheckType.Ttl).GetProperty("Check");

        Assert.Equal("15000ms", check.GetProperty("TTL").GetString());
        Assert.False(check.TryGetProperty("Interval", out _));
        Assert.False(check.TryGetProperty("Timeout", out _));
    }

    [Fact]
    public void Create_None_HasNoCheck() =>
        Assert.False(Body("http://a:1", static o => o.Check.Type = ConsulCheckType.None).TryGetProperty("Check", out _));

    [Fact]
    public void Create_IntervalShorterThanTheTimeout_BoundsIt()
    {
        var check = Body("http://a:1", static o => o.Check.Interval = TimeSpan.FromSeconds(1)).GetProperty("Check");

        Assert.Equal("1000ms", check.GetProperty("Timeout").GetString());
    }

    [Theory]
    [InlineData(0, 1, 1)]
    [InlineData(1, 1, 1)]
    [InlineData(19, 19, 1)]
    [InlineData(100, 100, 10)]
    [InlineData(65535, 65535, 6553)]
    public void Create_Weight_IsATenthInTheStateWarning(int weight, int passing, int warning)
    {
        var body = Body("http://a:1", weight: weight);

        Assert.Equal(passing, body.GetProperty("Weights").GetProperty("Passing").GetInt32());
        Assert.Equal(warning, body.GetProperty("Weights").GetProperty("Warning").GetInt32());
        Assert.Equal(weight == 0, body.GetProperty("Meta").TryGetProperty("mesh-weight", out _));
    }

    [Theory]
    [InlineData(ConsulCheckType.Http, true)]
    [InlineData(ConsulCheckType.Grpc, true)]
    [InlineData(ConsulCheckType.Ttl, true)]
    [InlineData(ConsulCheckType.None, false)]
    public void Create_PortThatTakesMtlsOnly_ReportsItself(ConsulCheckType type, bool hasCheck)
    {
        var options = new ConsulOptions();
        options.Check.Type = type;
        var instance = new ServiceInstance("web-1", new ServiceName("web", "default"), new Endpoint { Address = new Uri("http://a:1") }) { RefusesPlaintext = true };

        var body = JsonDocument.Parse(RegistrationBody.Create(instance, options)).RootElement;

        Assert.Equal(hasCheck, body.TryGetProperty("Check", out var check));
        Assert.True(!hasCheck || (check.TryGetProperty("TTL", out _) && !check.TryGetProperty("HTTP", out _) && !check.TryGetProperty("GRPC", out _)));
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void Create_SpeaksMtls_IsInTheMetaAndNativeWithCertificatesOfConsul(bool speaks, bool usesConnect)
    {
        var endpoint = new Endpoint { Address = new Uri("http://a:1"), SpeaksMtls = speaks };
        var instance = new ServiceInstance("web-1", new ServiceName("web", "default"), endpoint);
        var body = JsonDocument.Parse(RegistrationBody.Create(instance, new ConsulOptions { UsesConnect = usesConnect })).RootElement;

        Assert.Equal(speaks ? "true" : null, body.GetProperty("Meta").TryGetProperty("mesh-mtls", out var meta) ? meta.GetString() : null);
        Assert.Equal(speaks && usesConnect, body.TryGetProperty("Connect", out var connect) && connect.GetProperty("Native").GetBoolean());
    }

    private static JsonElement Body(string address, Action<ConsulOptions>? configure = null, int weight = 1)
    {
        var options = new ConsulOptions();
        configure?.Invoke(options);
        var endpoint = new Endpoint { Address = new Uri(address), Weight = weight };
        return JsonDocument.Parse(
            RegistrationBody.Create(new ServiceInstance("web-1", new ServiceName("web", "default"), endpoint), options)).RootElement;
    }
}
