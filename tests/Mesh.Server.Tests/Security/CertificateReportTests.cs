using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Mesh.Discovery;
using Mesh.Discovery.Security;
using Mesh.Server.Admin;
using Mesh.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mesh.Server.Tests.Security;

public sealed class CertificateReportTests
{
    [Fact]
    public async Task Config_WithACertificate_TellsWhoAndWhomItBelievesAndNoKey()
    {
        var now = new DateTimeOffset(2030, 1, 2, 3, 4, 5, TimeSpan.Zero);
        var (own, other) = (new TestAuthority(now: now), new TestAuthority("other.test", now));
        var set = own.Set("reviews", "prod", [own.Bundle, other.Bundle]);
        await using var mesh = await MeshApp.StartAsync(
            static options => options.Security.Certificates.Source = "Test",
            builder => builder.Services.AddSingleton<ICertificateSource>(new TestCertificateSource(set)));
        await mesh.App.Services.GetRequiredService<MeshCertificates>().Ready;

        var text = await mesh.Client.GetStringAsync("/mesh/config", TestContext.Current.CancellationToken);

        var told = JsonDocument.Parse(text).RootElement.GetProperty("certificate");
        Assert.Equal("Test", told.GetProperty("source").GetString());
        Assert.Equal("spiffe://cluster.local/ns/prod/sa/reviews", told.GetProperty("id").GetString());
        Assert.Equal(set.NotBefore, told.GetProperty("notBefore").GetDateTimeOffset());
        Assert.Equal(set.NotAfter, told.GetProperty("notAfter").GetDateTimeOffset());
        Assert.Equal(set.Leaf.SerialNumber, told.GetProperty("serial").GetString());
        Assert.False(told.TryGetProperty("expired", out _));
        var domains = told.GetProperty("trustDomains");
        Assert.Equal(["cluster.local", "other.test"], domains.EnumerateArray().Select(static domain => domain.GetProperty("trustDomain").GetString()));
        var root = Assert.Single(domains[1].GetProperty("roots").EnumerateArray());
        Assert.Equal(Convert.ToHexString(SHA256.HashData(other.Root.RawData)), root.GetProperty("sha256").GetString());
        Assert.Equal(other.Root.NotAfter.ToUniversalTime(), root.GetProperty("notAfter").GetDateTimeOffset().UtcDateTime);

        using var key = set.Leaf.GetECDsaPrivateKey();
        Assert.DoesNotContain("PRIVATE", text, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(Convert.ToBase64String(key!.ExportECPrivateKey())[..20], text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_BeforeTheFirstCertificate_TellsTheSource()
    {
        await using var certificates = new MeshCertificates(
            new TestCertificateSource(), TimeProvider.System, SystemRandomSource.Instance, NullLogger<MeshCertificates>.Instance);

        Assert.Equal(new CertificateReport { Source = "Test" }, CertificateReport.Of(certificates));
    }

    [Fact]
    public async Task Config_WithoutCertificates_SaysNothingOfThem()
    {
        await using var mesh = await MeshApp.StartAsync();

        var body = await mesh.Client.GetFromJsonAsync<JsonElement>("/mesh/config", TestContext.Current.CancellationToken);

        Assert.False(body.TryGetProperty("certificate", out _));
    }
}
