using System.Net.Sockets;
using Mesh.Client.Transport;

namespace Mesh.Client.Security;

/// <summary>Secures the connections of one <see cref="EndpointInvoker"/>.</summary>
internal sealed class TlsConnector(TlsDialer dialer, TlsPlan plan, Uri address)
{
    public TlsPlan Plan => plan;

    /// <summary>Whose connections they are.</summary>
    public EndpointInvoker? Owner { get; set; }

    /// <exception cref="System.Security.Authentication.AuthenticationException">There is nothing that could be dialled.</exception>
    public void Check() => dialer.Check(plan, address);

    /// <exception cref="System.Security.Authentication.AuthenticationException">The peer is not who was called.</exception>
    public ValueTask<Stream> SecureAsync(Socket socket, SocketsHttpConnectionContext context, CancellationToken cancel) =>
        dialer.SecureAsync(socket, plan, address, context, Owner, cancel);

    /// <summary>Whether it is left to the handler.</summary>
    public bool LeavesTo(SocketsHttpConnectionContext context) =>
        plan.IsOfAddress && context.InitialRequestMessage.RequestUri?.Scheme == Uri.UriSchemeHttps;
}
