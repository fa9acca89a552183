using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.RegularExpressions;
using Mesh.Testing;
using static Mesh.IntegrationTests.Bookinfo.Run;

namespace Mesh.IntegrationTests.Bookinfo;

/// <summary><c>--mtls</c>, seen from outside: the bytes on the wire, and what strangers get.</summary>
public sealed partial class BookinfoMtlsTests
{
    private const int Requests = 400;

    private static readonly string[] s_programs = ["productpage", "details", "ratings", "reviews-v1", "reviews-v2"];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Run_WithMtls_EveryByteOfEveryHopIsEncrypted()
    {
        using var wire = new TemporaryDirectory();
        await using var launcher = Launch("--requests", $"{Requests}", "--json", "--mtls", "--capture", wire.Path);
        var result = await ResultAsync(launcher);

        Assert.Equal(Requests, Calls(result, "details", "v1"));
        foreach (var program in s_programs)
        {
            Assert.NotEmpty(Directory.GetFiles(wire.Path, $"{program}.*.request"));
        }

        foreach (var file in Directory.GetFiles(wire.Path).Where(static file => new FileInfo(file).Length > 0))
        {
            var bytes = await File.ReadAllBytesAsync(file, Cancel);
            Assert.True(bytes[0] == 0x16 && bytes[1] == 0x03, $"{file} does not begin with a TLS handshake");
            Assert.True(bytes.AsSpan().IndexOf("HTTP/"u8) < 0, $"HTTP can be read in {file}");
        }
    }

    [Fact]
    public async Task Run_WithoutMtls_TheSameCaptureShowsHttp()
    {
        using var wire = new TemporaryDirectory();
        await using var launcher = Launch("--requests", "100", "--json", "--capture", wire.Path);
        await ResultAsync(launcher);

        foreach (var program in s_programs)
        {
            Assert.Contains(
                Directory.GetFiles(wire.Path, $"{program}.*.request"), static file => File.ReadAllBytes(file).AsSpan().IndexOf("HTTP/1.1"u8) >= 0);
        }
    }

    [Fact]
    public async Task Mtls_StrangersGetNothing_ButTheBrowserItsPage()
    {
        await using var launcher = Launch("--rate", "20", "--mtls");
        await launcher.WaitForLineAsync("Processes: ", Cancel);
        using var plain = new HttpClient();

        // PERMISSIVE: mTLS for the load generator, plaintext for a browser.
        using var page = new ShownPage(launcher.Output);
        Assert.Equal(0, await page.CountAsync("v3", 20, Cancel));

        // STRICT: neither plaintext nor another trust domain.
        foreach (var address in Addresses(launcher.Output).Where(static pair => pair.Name != "productpage").Select(static pair => pair.Address))
        {
            await Assert.ThrowsAsync<HttpRequestException>(() => plain.GetAsync(new Uri(address, "/mesh/health"), Cancel));
            Assert.False(await AnswersAsync(address, new TestAuthority("example.org").Leaf(["spiffe://example.org/ns/prod/sa/reviews"])));
            Assert.False(await AnswersAsync(address, new TestAuthority().Leaf(["spiffe://cluster.local/ns/prod/sa/reviews"])));
        }

        // Productpage is somebody, but not reviews.
        var root = Addresses(launcher.Output).First(static pair => pair.Name == "productpage").Address;
        using var denied = await plain.GetAsync(new Uri(root, "/api/v1/products/0/ratings"), Cancel);
        Assert.Equal(HttpStatusCode.Forbidden, denied.StatusCode);
        Assert.Equal("RBAC: access denied", await denied.Content.ReadAsStringAsync(Cancel));
        await launcher.WaitForLineAsync("ratings-for-reviews", Cancel);
        Assert.Contains("cluster.local/ns/prod/sa/productpage", launcher.Error + launcher.Output);

        await EndAsync(launcher);
    }

    private static IEnumerable<(string Name, Uri Address)> Addresses(string output) =>
        ProcessAddress().Matches(output.Split("Processes: ")[1].Split('\n')[0])
            .Select(static match => (match.Groups[1].Value, new Uri(match.Groups[2].Value)));

    /// <summary>Whether a request over TLS with that certificate gets any answer.</summary>
    private static async Task<bool> AnswersAsync(Uri address, X509Certificate2 certificate)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(address.Host, address.Port, Cancel);
        await using var tls = new SslStream(new NetworkStream(socket, ownsSocket: false));
        try
        {
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = "details",
                    ClientCertificateContext = SslStreamCertificateContext.Create(certificate, null, offline: true),
                    RemoteCertificateValidationCallback = static (_, _, _, _) => true,
                },
                Cancel);
            await tls.WriteAsync(Encoding.ASCII.GetBytes("GET /mesh/health HTTP/1.1\r\nHost: details\r\n\r\n"), Cancel);
            return await tls.ReadAsync(new byte[1], Cancel) > 0;
        }
        catch (Exception e) when (e is IOException or AuthenticationException)
        {
            return false;
        }
    }

    [GeneratedRegex(@"(\S+) (http://[^,\s]+)")]
    private static partial Regex ProcessAddress();
}
