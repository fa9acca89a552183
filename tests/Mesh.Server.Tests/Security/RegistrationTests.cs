using Mesh.Discovery;
using Mesh.Discovery.Catalogs;
using Mesh.Server.Registration;

namespace Mesh.Server.Tests.Security;

public sealed class RegistrationTests
{
    [Theory]
    [InlineData(null, true, false)]
    [InlineData(MtlsMode.Permissive, true, false)]
    [InlineData(MtlsMode.Strict, true, true)]
    [InlineData(MtlsMode.Disable, false, false)]
    public async Task Registered_ByMode_SaysWhatThePortSpeaks(MtlsMode? mode, bool speaksMtls, bool refusesPlaintext)
    {
        var catalog = new FakeCatalog();
        await using var app = await SecureApp.StartAsync(mode, catalog: catalog);

        var instance = await catalog.Registered.Task;

        Assert.Equal((speaksMtls, refusesPlaintext), (instance.Endpoint.SpeaksMtls, instance.RefusesPlaintext));
        Assert.Equal("http", instance.Endpoint.Address.Scheme);
    }

    [Fact]
    public async Task Registered_NoCertificateYet_WaitsForIt()
    {
        var catalog = new FakeCatalog();
        await using var app = await SecureApp.StartAsync(hasCertificate: false, catalog: catalog);
        await app.Mesh.LogLine("There is no certificate yet");
        Assert.False(catalog.Registered.Task.IsCompleted);

        app.Source.Publish(app.Authority.Set("reviews", "prod"));

        Assert.True((await catalog.Registered.Task).Endpoint.SpeaksMtls);
    }

    [Fact]
    public async Task ModeChange_ThatCallersMustKnow_RegistersAnewBeforeItWithdraws()
    {
        var catalog = new FakeCatalog();
        await using var app = await SecureApp.StartAsync(MtlsMode.Disable, catalog: catalog);
        var first = await catalog.Registered.Task;

        await app.SetModeAsync(MtlsMode.Strict);
        await app.Until(() => Registered().Count == 2);
        await catalog.Withdrawn.Task;

        var second = Registered()[1];
        Assert.Equal((true, true), (second.Endpoint.SpeaksMtls, second.RefusesPlaintext));
        Assert.NotEqual(first.Id, second.Id);
        Assert.Equal(first.Endpoint.Address, second.Endpoint.Address);

        List<ServiceInstance> Registered()
        {
            lock (catalog.Instances)
            {
                return [.. catalog.Instances];
            }
        }
    }

    [Theory]
    [InlineData("http://10.0.0.1:5000", 5000)]
    [InlineData("http://example.com:80", 5001)]
    [InlineData("https://10.0.0.1:5002", null)]
    public void MeshPort_OfAnAdvertisedAddress_IsWhereCallsArrive(string advertised, int? expected) => Assert.Equal(
        expected,
        AdvertisedAddress.MeshPort(new Uri(advertised), ["http://unix:/tmp/x.sock", "https://[::]:5002", "http://[::]:5001", "http://[::]:5000"]));
}
