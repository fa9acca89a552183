using Mesh.Discovery;
using Mesh.Discovery.Security;

namespace Mesh.Server.Security;

/// <summary>What is known of a connection before its first request: a feature of the connection, and so of each of its requests.</summary>
/// <remarks>Not there where the server has no certificates, and on ports whose mode is <see cref="MtlsMode.Disable"/>.</remarks>
/// <param name="Port">The local port.</param>
/// <param name="IsTls">Whether it is mTLS and not plaintext.</param>
/// <param name="Peer">Who is at its other end; null for plaintext, and for TLS without a certificate.</param>
internal sealed record InboundConnection(int Port, bool IsTls, SpiffeId? Peer)
{
    /// <summary>
    /// Who is at its other end, if that is a gateway which says for whom it calls: then <see cref="Peer"/> is that caller, null if it has
    /// no identity. A request has a feature of its own then.
    /// </summary>
    public SpiffeId? Gateway { get; init; }
}
