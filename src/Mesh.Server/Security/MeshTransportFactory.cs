using System.Net;
using Mesh.Discovery.Security;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Server.Security;

/// <summary>
/// Puts the mesh's TLS between Kestrel and the transport that it would use otherwise, so that it holds for every address, wherever
/// that comes from, and addresses stay http.
/// </summary>
/// <remarks>
/// Kestrel asks factories in turn, the one that was registered last first, and takes the first that can bind. Without certificates,
/// and for what is not an IP address (Unix sockets, named pipes), this one cannot, and so is out of the way. A factory that is
/// registered after it goes before it; that requests to a STRICT port do not slip by then is the business of
/// <see cref="PeerMiddleware"/>.
/// </remarks>
internal sealed class MeshTransportFactory(IServiceProvider services, MeshCertificates certificates)
    : IConnectionListenerFactory, IConnectionListenerFactorySelector
{
    public bool CanBind(EndPoint endpoint) => certificates.IsOn && endpoint is IPEndPoint && Find(endpoint) is not null;

    public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        var factory = Find(endpoint) ?? throw new NotSupportedException($"No transport can listen on {endpoint}.");
        var listener = await factory.BindAsync(endpoint, cancellationToken);

        // The port may have been chosen just now. Something in memory has none.
        return listener.EndPoint is IPEndPoint bound
            ? new MeshListener(listener, services.GetRequiredService<ConnectionGate>(), new ListenerAddress(bound, services))
            : listener;
    }

    /// <summary>The one that Kestrel would take without this one.</summary>
    private IConnectionListenerFactory? Find(EndPoint endpoint) => services.GetServices<IConnectionListenerFactory>()
        .TakeWhile(factory => !ReferenceEquals(factory, this))
        .LastOrDefault(factory => factory is not IConnectionListenerFactorySelector selector || selector.CanBind(endpoint));
}
