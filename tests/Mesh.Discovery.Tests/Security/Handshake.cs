using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Mesh.Discovery.Security;

namespace Mesh.Discovery.Tests.Security;

/// <summary>A real handshake over loopback, of which one side verifies as the mesh does and the other shows what the test wants.</summary>
internal static class Handshake
{
    private const string Host = "app.mesh";

    /// <summary>What a server thinks of a client that shows this; null for no certificate.</summary>
    public static Task<Verified> OfClientAsync(PeerTrust server, SslStreamCertificateContext? client) => RunAsync(
        new SslServerAuthenticationOptions { ServerCertificateContext = server.Set.Context, ClientCertificateRequired = true },
        new SslClientAuthenticationOptions { TargetHost = Host, ClientCertificateContext = client },
        server.Verifier,
        verifiesAsServer: true);

    /// <summary>What a client thinks of a server that shows this.</summary>
    public static Task<Verified> OfServerAsync(PeerTrust client, SslStreamCertificateContext server) => RunAsync(
        new SslServerAuthenticationOptions { ServerCertificateContext = server, ClientCertificateRequired = true },
        new SslClientAuthenticationOptions { TargetHost = Host, ClientCertificateContext = client.Set.Context },
        client.Verifier,
        verifiesAsServer: false);

    private static async Task<Verified> RunAsync(
        SslServerAuthenticationOptions server, SslClientAuthenticationOptions client, PeerVerifier verifier, bool verifiesAsServer)
    {
        Verified? verified = null;
        var policy = verifier.CreatePolicy();
        var known = policy.ExtraStore.Count;
        RemoteCertificateValidationCallback verify = (_, certificate, chain, errors) =>
        {
            verified = new Verified(verifier.Verify((X509Certificate2?)certificate, chain, errors), (chain?.ChainPolicy.ExtraStore.Count ?? known) - known);
            return verified.Verdict.Id is not null;
        };
        RemoteCertificateValidationCallback accept = static (_, _, _, _) => true;
        if (verifiesAsServer)
        {
            (server.CertificateChainPolicy, server.RemoteCertificateValidationCallback) = (policy, verify);
            client.RemoteCertificateValidationCallback = accept;
        }
        else
        {
            (client.CertificateChainPolicy, client.RemoteCertificateValidationCallback) = (policy, verify);
            server.RemoteCertificateValidationCallback = accept;
        }

        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var dialled = new TcpClient();
        await dialled.ConnectAsync((IPEndPoint)listener.LocalEndpoint, TestContext.Current.CancellationToken);
        using var accepted = await listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
        await using var serverStream = new SslStream(accepted.GetStream());
        await using var clientStream = new SslStream(dialled.GetStream());
        var (atServer, atClient) = (ServeAsync(), DialAsync());
        var hasAgreed = await atServer & await atClient;

        Assert.NotNull(verified);
        Assert.Equal(verified.Verdict.Id is not null, hasAgreed);
        return verified;

        async Task<bool> ServeAsync()
        {
            try
            {
                await serverStream.AuthenticateAsServerAsync(server, TestContext.Current.CancellationToken);
                await serverStream.WriteAsync(new byte[] { 1 }, TestContext.Current.CancellationToken);
                return await serverStream.ReadAsync(new byte[1], TestContext.Current.CancellationToken) == 1;
            }
            catch (Exception e) when (e is AuthenticationException or IOException)
            {
                accepted.Close();
                return false;
            }
        }

        async Task<bool> DialAsync()
        {
            try
            {
                // In TLS 1.3 the client is done before the server has looked at its certificate, and tickets come with the data.
                await clientStream.AuthenticateAsClientAsync(client, TestContext.Current.CancellationToken);
                var read = await clientStream.ReadAsync(new byte[1], TestContext.Current.CancellationToken);
                await clientStream.WriteAsync(new byte[] { 1 }, TestContext.Current.CancellationToken);
                return read == 1;
            }
            catch (Exception e) when (e is AuthenticationException or IOException)
            {
                dialled.Close();
                return false;
            }
        }
    }
}

/// <param name="Verdict">What the side that verifies thinks.</param>
/// <param name="Sent">How many certificates came with the handshake beside the leaf (and with it, where the system counts it in).</param>
internal sealed record Verified(PeerVerdict Verdict, int Sent);
