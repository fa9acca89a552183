using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace Mesh.Discovery.Consul;

/// <summary>Connections to the agent: TCP, TLS, or a unix socket.</summary>
internal static class ConsulTransport
{
    private static readonly TimeSpan s_connectLimit = TimeSpan.FromSeconds(5);

    public static Uri BaseAddress(ConsulOptions options) =>
        options.Address!.Scheme == "unix" ? new Uri("http://localhost/") : options.Address;

    /// <exception cref="ConsulException">A certificate or key cannot be read.</exception>
    public static SocketsHttpHandler Create(ConsulOptions options)
    {
        var handler = new SocketsHttpHandler
        {
            ConnectTimeout = s_connectLimit,
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            EnableMultipleHttp2Connections = true,

            // Each query that waits holds a connection of its own over HTTP/1.1; over TLS, Consul speaks HTTP/2.
            PooledConnectionLifetime = TimeSpan.FromMinutes(15),
            KeepAlivePingDelay = TimeSpan.FromSeconds(15),
            KeepAlivePingTimeout = TimeSpan.FromSeconds(10),
            ActivityHeadersPropagator = null,
        };
        handler.ConnectCallback = (context, cancel) => ConnectAsync(options.Address!, context.DnsEndPoint, cancel);
        if (options.Address!.Scheme == Uri.UriSchemeHttps)
        {
            handler.SslOptions = CreateTls(options.Tls);
        }

        return handler;
    }

    private static async ValueTask<Stream> ConnectAsync(Uri address, System.Net.DnsEndPoint endPoint, CancellationToken cancel)
    {
        var isUnix = address.Scheme == "unix";
        var socket = isUnix
            ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            if (isUnix)
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(address.AbsolutePath), cancel).ConfigureAwait(false);
            }
            else
            {
                // A query waits in silence for a minute: without these a machine that went away would look the same.
                socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 15);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 5);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
                await socket.ConnectAsync(endPoint, cancel).ConfigureAwait(false);
            }

            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static SslClientAuthenticationOptions CreateTls(ConsulTlsOptions options)
    {
        var tls = new SslClientAuthenticationOptions();
        if (options.ServerName.Length > 0)
        {
            tls.TargetHost = options.ServerName;
        }

        if (options.CaFile.Length > 0)
        {
            var policy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
            Load(options.CaFile, () => policy.CustomTrustStore.ImportFromPemFile(options.CaFile));
            tls.CertificateChainPolicy = policy;
        }

        if (options.CertificateFile.Length > 0)
        {
            var keyFile = options.KeyFile.Length > 0 ? options.KeyFile : options.CertificateFile;
            X509Certificate2? certificate = null;
            Load(options.CertificateFile, () => certificate = X509Certificate2.CreateFromPemFile(options.CertificateFile, keyFile));
            tls.ClientCertificateContext = SslStreamCertificateContext.Create(certificate!, null, offline: true);
        }

        if (!options.Verify)
        {
#pragma warning disable CA5359 // Asked for by name, as Consul's own CONSUL_HTTP_SSL_VERIFY=false.
            tls.RemoteCertificateValidationCallback = static (_, _, _, _) => true;
#pragma warning restore CA5359
        }

        return tls;
    }

    private static void Load(string file, Action load)
    {
        try
        {
            load();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or System.Security.Cryptography.CryptographicException)
        {
            throw new ConsulException($"{file} cannot be used for TLS to Consul: {e.Message}", null, e);
        }
    }
}
