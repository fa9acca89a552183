using System.Security.Cryptography.X509Certificates;
using Mesh.Discovery.Security;
using Mesh.Testing;

namespace Mesh.Client.Tests.Security;

/// <summary>The modes SIMPLE and MUTUAL, with certificates from files.</summary>
public sealed class FileModeTests : IDisposable
{
    private readonly TestAuthority _authority = new("partner.example");
    private readonly string _directory = Directory.CreateTempSubdirectory("mesh-tls").FullName;

    public FileModeTests() => File.WriteAllText(At("ca.pem"), _authority.Root.ExportCertificatePem());

    public static TheoryData<string, string?> Simple => new()
    {
        { """ "CaCertificates": "{0}/ca.pem" """, null },
        { """ "CaCertificates": "{0}/ca.pem", "Sni": "other.example" """, "expected was other.example" },
        { """ "CaCertificates": "{0}/ca.pem", "Sni": "a.wild.example" """, null },
        { """ "CaCertificates": "{0}/ca.pem", "SubjectAltNames": [ "spiffe://partner.example/api" ] """, null },
        { """ "CaCertificates": "{0}/ca.pem", "SubjectAltNames": [ "nobody.example", "b.wild.example" ] """, null },
        { """ "CaCertificates": "{0}/ca.pem", "SubjectAltNames": [ "spiffe://partner.example/other" ] """, "expected was spiffe://partner.example/other" },
        { """ "Sni": "a.wild.example" """, "was not issued by a known authority" },
        { """ "InsecureSkipVerify": true """, null },
        { """ "CaCertificates": "{0}/none.pem" """, "none.pem' (caCertificates of the destination's tls) cannot be used: " },
        { """ "CaCertificates": "{0}/empty.pem" """, "empty.pem' (caCertificates of the destination's tls) cannot be used: there is no certificate in it" },
    };

    [Theory]
    [MemberData(nameof(Simple))]
    public async Task Send_Simple_VerifiesWhatTheRuleSays(string settings, string? problem)
    {
        await File.WriteAllTextAsync(At("empty.pem"), "nothing", TestContext.Current.CancellationToken);
        await using var server = await StartAsync(asksCallers: false);
        await using var mesh = await SecuredMesh.StartAsync(
            server.Address, null, $$"""{ "Mode": "SIMPLE", {{settings.Replace("{0}", _directory, StringComparison.Ordinal)}} }""", service: "api.partner.example");

        if (problem is null)
        {
            Assert.StartsWith("nobody HTTP/1.1 ", await mesh.GetAsync(url: "http://api.partner.example/"), StringComparison.Ordinal);
            Assert.StartsWith("nobody HTTP/2 ", await mesh.GetAsync("2.0", url: "https://api.partner.example/"), StringComparison.Ordinal);
        }
        else
        {
            var error = await Assert.ThrowsAsync<HttpRequestException>(() => mesh.GetAsync(url: "http://api.partner.example/"));
            Assert.Equal(HttpRequestError.SecureConnectionError, error.HttpRequestError);
            Assert.Contains(problem, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Send_Mutual_ShowsTheCertificateAndReadsItAgain()
    {
        WriteOwn("first");
        await using var server = await StartAsync(asksCallers: true);
        await using var mesh = await SecuredMesh.StartAsync(
            server.Address, null,
            $$"""
            { "Mode": "MUTUAL", "CaCertificates": "{{At("ca.pem")}}", "ClientCertificate": "{{At("own.pem")}}", "PrivateKey": "{{At("own.key")}}" },
            "ConnectionPool": { "Http": { "MaxRequestsPerConnection": 1 } }
            """,
            service: "api.partner.example");
        Assert.StartsWith("spiffe://partner.example/first ", await mesh.GetAsync(url: "http://api.partner.example/"), StringComparison.Ordinal);

        WriteOwn("the-second");
        Assert.StartsWith("spiffe://partner.example/the-second ", await mesh.GetAsync(url: "http://api.partner.example/"), StringComparison.Ordinal);

        File.Delete(At("own.key"));
        var error = await Assert.ThrowsAsync<HttpRequestException>(() => mesh.GetAsync(url: "http://api.partner.example/"));
        Assert.Contains("own.key' (privateKey of the destination's tls) cannot be used", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Send_FilesBehindLinks_AreReadAgainWhenTheLinkIsSet()
    {
        // As Kubernetes mounts secrets: file → ..data/file, ..data → a directory of one version.
        Directory.CreateDirectory(At("v1"));
        Directory.CreateDirectory(At("v2"));
        Write(At("v1"), "first");
        Write(At("v2"), "secnd");
        Directory.CreateSymbolicLink(At("..data"), "v1");
        File.CreateSymbolicLink(At("own.pem"), "..data/own.pem");
        File.CreateSymbolicLink(At("own.key"), "..data/own.key");
        await using var server = await StartAsync(asksCallers: true);
        await using var mesh = await SecuredMesh.StartAsync(
            server.Address, null,
            $$"""
            { "Mode": "MUTUAL", "CaCertificates": "{{At("ca.pem")}}", "ClientCertificate": "{{At("own.pem")}}", "PrivateKey": "{{At("own.key")}}" },
            "ConnectionPool": { "Http": { "MaxRequestsPerConnection": 1 } }
            """,
            service: "api.partner.example");
        Assert.StartsWith("spiffe://partner.example/first ", await mesh.GetAsync(url: "http://api.partner.example/"), StringComparison.Ordinal);

        Directory.Delete(At("..data"));
        Directory.CreateSymbolicLink(At("..data"), "v2");

        Assert.StartsWith("spiffe://partner.example/secnd ", await mesh.GetAsync(url: "http://api.partner.example/"), StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private string At(string file) => Path.Combine(_directory, file);

    private void WriteOwn(string name) => Write(_directory, name);

    private void Write(string directory, string name)
    {
        using var leaf = _authority.Leaf([$"spiffe://partner.example/{name}"]);
        using var key = leaf.GetECDsaPrivateKey()!;
        File.WriteAllText(Path.Combine(directory, "own.pem"), leaf.ExportCertificatePem());
        File.WriteAllText(Path.Combine(directory, "own.key"), key.ExportPkcs8PrivateKeyPem());
    }

    private Task<MtlsServer> StartAsync(bool asksCallers)
    {
        var leaf = _authority.Leaf(["spiffe://partner.example/api"], dnsNames: ["api.partner.example", "*.wild.example"]);
        return MtlsServer.StartAsync(new CertificateSet(leaf, [], [_authority.Bundle]), asksCallers: asksCallers);
    }
}
