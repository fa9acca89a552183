using System.Net.Sockets;
using Mesh.Client.Security;
using Mesh.Discovery;
using Mesh.Discovery.Rules;

namespace Mesh.Client.Transport;

/// <summary>
/// One <see cref="SocketsHttpHandler"/> for each endpoint: its connections go to that endpoint whatever the request's
/// address says, which spares rewriting addresses (measured: dearer than all policies together).
/// </summary>
internal sealed class SocketsEndpointHandlerFactory(MeshOptions options, TlsDialer tls, TimeProvider time) : IEndpointHandlerFactory
{
    public HttpMessageHandler Create(Endpoint endpoint) => Create(
        endpoint,
        null,
        endpoint.Address.Scheme == Uri.UriSchemeHttps
            ? new TlsConnector(tls, TlsPlan.OfAddress(endpoint.Address, endpoint.Address.Authority), endpoint.Address)
            : null);

    /// <param name="endpoint">Where to connect to.</param>
    /// <param name="settings">What the service's rule says of connections.</param>
    /// <param name="connector">Secures them; null for plaintext.</param>
    public HttpMessageHandler Create(Endpoint endpoint, ConnectionSettings? settings, TlsConnector? connector)
    {
        var dialer = new Dialer(endpoint.Address, settings?.ConnectTimeout ?? options.Outbound.ConnectTimeout, connector, time);
        return new SocketsHttpHandler
        {
            MaxConnectionsPerServer = settings?.MaxConnections ?? int.MaxValue,

            // What belongs to the caller's own client (cookies, redirects, proxies) is not the endpoint's business.
            UseCookies = false,
            AllowAutoRedirect = false,
            UseProxy = false,
            EnableMultipleHttp2Connections = true,

            // Below the 130 s after which Kestrel closes an idle connection, so that the caller closes first.
            PooledConnectionIdleTimeout = settings?.IdleTimeout ?? TimeSpan.FromSeconds(60),

            // An endpoint that is a DNS name is looked up again now and then, and so are files.
            // A lifetime of zero keeps no connection for a second request.
            PooledConnectionLifetime = settings is { OneRequestPerConnection: true } ? TimeSpan.Zero
                : endpoint.Address.HostNameType == UriHostNameType.Dns || connector is { Plan.UsesFiles: true } ? TimeSpan.FromMinutes(5)
                : Timeout.InfiniteTimeSpan,
            ConnectCallback = dialer.ConnectAsync,
        };
    }

    private sealed class Dialer(Uri address, TimeSpan timeout, TlsConnector? connector, TimeProvider time)
    {
        public async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancel)
        {
            connector?.Check();
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            using var limit = new CancellationTokenSource(timeout, time);
            using var linked = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
            try
            {
                await socket.ConnectAsync(address.DnsSafeHost, address.Port, linked.Token).ConfigureAwait(false);
                return connector is null || connector.LeavesTo(context)
                    ? new NetworkStream(socket, ownsSocket: true)
                    : await connector.SecureAsync(socket, context, linked.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancel.IsCancellationRequested)
            {
                // A socket error, so that the handler reports a failed connection: provably nothing was sent.
                socket.Dispose();
                throw new SocketException((int)SocketError.TimedOut, $"no connection to {address.Authority} within {timeout}");
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }
    }
}
