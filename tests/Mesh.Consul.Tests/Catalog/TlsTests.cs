using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Mesh.Consul.Tests.Support;

namespace Mesh.Consul.Tests.Catalog;

/// <summary>An agent that speaks TLS and asks for a certificate.</summary>
public sealed class TlsTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("mesh-consul-tls-");
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public void Dispose()
    {
        _key.Dispose();
        _directory.Delete(recursive: true);
    }

    [Fact]
    public async Task Agent_WithTls_IsTrustedByItsAuthorityOnly()
    {
        var now = TimeProvider.System.GetUtcNow();
        var authority = new CertificateRequest("CN=authority", _key, HashAlgorithmName.SHA256);
        authority.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var ca = authority.CreateSelfSigned(now.AddDays(-1), now.AddDays(2));
        var strange = new CertificateRequest("CN=stranger", _key, HashAlgorithmName.SHA256);
        strange.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var other = strange.CreateSelfSigned(now.AddDays(-1), now.AddDays(2));
        var caFile = Write("ca.pem", ca.ExportCertificatePem());
        var otherFile = Write("other.pem", other.ExportCertificatePem());
        var (server, serverKey) = Issue("server");
        var (client, clientKey) = Issue("client");
        await using var agent = await ConsulAgent.StartAsync(new()
        {
            Tls = true,
            Configuration = $$"""
                { "cert_file": "{{server}}", "key_file": "{{serverKey}}", "ca_file": "{{caFile}}", "verify_incoming_https": true }
                """,
        });
        await using var web = await Instance.StartAsync("web");
        await agent.RegisterAsync("web", web);
        var own = $"\"CertificateFile\": \"{client}\", \"KeyFile\": \"{clientKey}\"";
        await using (var caller = await CallingProcess.StartAsync(agent.SecureAddress!, $"\"Tls\": {{ \"CaFile\": \"{caFile}\", {own} }}"))
        {
            Assert.Equal("web", await caller.GetAsync("http://web/"));
        }

        await using (var caller = await CallingProcess.StartAsync(agent.SecureAddress!, $"\"Tls\": {{ \"CaFile\": \"{otherFile}\", {own} }}"))
        {
            await Wait.UntilAsync(() => caller.LogText().Contains("certificate"), caller.LogText);
            Assert.Contains("cannot be reached", caller.LogText());
        }

        var none = await Assert.ThrowsAnyAsync<Exception>(
            () => CallingProcess.StartAsync(agent.SecureAddress!, "\"Tls\": { \"CaFile\": \"/no/such.pem\" }"));
        Assert.Contains("/no/such.pem", none.Message);

        (string Certificate, string Key) Issue(string name)
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
            var names = new SubjectAlternativeNameBuilder();
            names.AddIpAddress(IPAddress.Loopback);
            request.CertificateExtensions.Add(names.Build());
            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(
                [new Oid("1.3.6.1.5.5.7.3.1"), new Oid("1.3.6.1.5.5.7.3.2")], false));
            using var certificate = request.Create(ca, now.AddDays(-1), now.AddDays(1), RandomNumberGenerator.GetBytes(8));
            return (Write($"{name}.pem", certificate.ExportCertificatePem()), Write($"{name}-key.pem", key.ExportPkcs8PrivateKeyPem()));
        }
    }

    private string Write(string name, string text)
    {
        var path = Path.Combine(_directory.FullName, name);
        File.WriteAllText(path, text);
        return path;
    }
}
