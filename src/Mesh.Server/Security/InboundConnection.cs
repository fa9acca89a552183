using Mesh.Discovery;
using Mesh.Discovery.Security;

namespace Mesh.Server.Security;

/// <summary>What is known of a connection before its first request: a feature of the connection, and so of each of its requests.</summary>
/// <remarks>Not there where the server has no certificates, and on ports whose mode is <see cref="MtlsMode.Disable"/>.</remarks>
/// <param name="Port">The local port.</param>
/// <param name="IsTls">Whether it is mTLS and not plaintext.</param>
/// <param name="Peer">Who is at its other end; null for plaintext, and for TLS without a certificate.</param>
internal sealed record InboundConnection(int Port, bool IsTls, SpiffeId? Peer);
