using System.Net.Security;
using System.Net.Sockets;
using Mesh.Discovery;
using Mesh.Discovery.Rules;

namespace Mesh.Client.Transport;

/// <summary>
/// One <see cref="SocketsHttpHandler"/> for each endpoint: its connections go to that endpoint whatever the request's
/// address says, which spares rewriting addresses (measured: dearer than all policies together).
/// </summary>
internal sealed class SocketsEndpointHandlerFactory(MeshOptions options, TimeProvider time) : IEndpointHandlerFactory
{
    public HttpMessageHandler Create(Endpoint endpoint) => Create(endpoint, null);

    /// <param name="endpoint">Where to connect to.</param>
    /// <param name="settings">What the service's rule says of connections.</param>
    public HttpMessageHandler Create(Endpoint endpoint, ConnectionSettings? settings)
    {
        var dialer = new Dialer(endpoint.Address, settings?.ConnectTimeout ?? options.Outbound.ConnectTimeout, time);
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

            // An endpoint that is a DNS name is looked up again now and then.
            // A lifetime of zero keeps no connection for a second request.
            PooledConnectionLifetime = settings is { OneRequestPerConnection: true } ? TimeSpan.Zero
                : endpoint.Address.HostNameType == UriHostNameType.Dns ? TimeSpan.FromMinutes(5) : Timeout.InfiniteTimeSpan,
            ConnectCallback = dialer.ConnectAsync,
        };
    }

    private sealed class Dialer(Uri address, TimeSpan timeout, TimeProvider time)
    {
        public async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancel)
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            using var limit = new CancellationTokenSource(timeout, time);
            using var linked = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
            try
            {
                await socket.ConnectAsync(address.DnsSafeHost, address.Port, linked.Token).ConfigureAwait(false);
                var stream = new NetworkStream(socket, ownsSocket: true);
                return NeedsTls(context) ? await AuthenticateAsync(stream, context, linked.Token).ConfigureAwait(false) : stream;
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

        /// <summary>For an https address in the request the handler adds TLS itself.</summary>
        private bool NeedsTls(SocketsHttpConnectionContext context) =>
            address.Scheme == Uri.UriSchemeHttps && context.InitialRequestMessage.RequestUri?.Scheme == Uri.UriSchemeHttp;

        private async Task<Stream> AuthenticateAsync(
            NetworkStream stream, SocketsHttpConnectionContext context, CancellationToken cancel)
        {
            // What is offered must be what the pool will speak: to an http address HTTP/2 only if nothing lower will do.
            var request = context.InitialRequestMessage;
            var http2 = request.Version.Major >= 2 && request.VersionPolicy != HttpVersionPolicy.RequestVersionOrLower;
            var tls = new SslStream(stream);
            try
            {
                await tls.AuthenticateAsClientAsync(
                    new SslClientAuthenticationOptions
                    {
                        TargetHost = address.DnsSafeHost,
                        ApplicationProtocols = [http2 ? SslApplicationProtocol.Http2 : SslApplicationProtocol.Http11],
                    },
                    cancel).ConfigureAwait(false);
                return tls;
            }
            catch
            {
                await tls.DisposeAsync().ConfigureAwait(false);
                throw;
            }
        }
    }
}
