using System.Buffers;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Mesh.Discovery;
using Mesh.Discovery.Security;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;

namespace Mesh.Server.Security;

/// <summary>Decides of a connection that a transport has accepted whether Kestrel gets it, and as what.</summary>
/// <remarks>
/// The first byte tells TLS from plaintext, so that both fit on one port; what comes of it depends on the port's mode at that moment.
/// After the handshake the first bytes tell HTTP/2 from HTTP/1.1: Consul's own proxies offer h2 to whomever they call and pass on
/// what their application speaks. Waiting for a client that says nothing ends as Kestrel would end it.
/// </remarks>
internal sealed class ConnectionGate
{
    private static readonly TimeSpan s_handshakeTimeout = TimeSpan.FromSeconds(10);

    /// <summary>Longer than timers can wait is for ever.</summary>
    private static readonly TimeSpan s_longestTimer = TimeSpan.FromMilliseconds(uint.MaxValue - 1);

    private readonly PortModes _modes;
    private readonly MeshCertificates _certificates;
    private readonly ConnectionRegister _register;
    private readonly TlsTelemetry _telemetry;
    private readonly TimeProvider _time;
    private readonly TimeSpan _silence;

    public ConnectionGate(
        PortModes modes,
        MeshCertificates certificates,
        ConnectionRegister register,
        TlsTelemetry telemetry,
        TimeProvider time,
        IOptions<KestrelServerOptions> kestrel)
    {
        _modes = modes;
        _certificates = certificates;
        _register = register;
        _telemetry = telemetry;
        _time = time;

        // Clients open connections in advance, so it is that of a connection between two requests.
        var silence = kestrel.Value.Limits.KeepAliveTimeout;
        _silence = silence > s_longestTimer ? Timeout.InfiniteTimeSpan : silence;
    }

    /// <returns>What Kestrel gets; null if the connection is not let in, and done with.</returns>
    public async Task<ConnectionContext?> AdmitAsync(ConnectionContext connection, ListenerAddress address, CancellationToken stop)
    {
        var port = address.Port;
        try
        {
            if (await address.IsApplicationTlsAsync(stop))
            {
                return connection;
            }

            if (_modes.Of(port) == MtlsMode.Disable)
            {
                return Plain(connection, port);
            }

            using (var limit = new Limit(_silence, _time, stop))
            {
                if (await Sniffer.IsTlsAsync(connection.Transport.Input, limit.Token) is not { } isTls)
                {
                    return await DropAsync(connection);
                }

                // Asked again: that took time.
                var mode = _modes.Of(port);
                if (mode != MtlsMode.Disable && isTls)
                {
                    return await SecureAsync(connection, address, mode, stop);
                }

                if (mode == MtlsMode.Strict)
                {
                    _telemetry.Refused("plaintext", "the port is STRICT, and the connection does not begin with TLS", connection.RemoteEndPoint, port);
                    return await DropAsync(connection);
                }

                return Plain(connection, port);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or ConnectionAbortedException)
        {
            // It said nothing for too long, it broke, or the server stops.
            return await DropAsync(connection);
        }
    }

    /// <summary>Something that is foreseen nowhere.</summary>
    public void Crashed(Exception e, ConnectionContext connection, int port) =>
        _telemetry.Failed("error", e.ToString(), connection.RemoteEndPoint, port);

    private MeshConnection Plain(ConnectionContext connection, int port)
    {
        if (_modes.Of(port) != MtlsMode.Disable)
        {
            connection.Features.Set(new InboundConnection(port, IsTls: false, null));
        }

        _telemetry.Accepted(isTls: false, hasPeer: false);
        var plain = new MeshConnection(connection, _register, port, null);
        _register.Add(plain);
        return plain;
    }

    private async Task<ConnectionContext?> SecureAsync(ConnectionContext connection, ListenerAddress address, MtlsMode mode, CancellationToken stop)
    {
        var port = address.Port;
        if (_certificates.Current is not { } trust)
        {
            _telemetry.Refused("no-own-certificate", "this process has no certificate yet", connection.RemoteEndPoint, port);
            return await DropAsync(connection);
        }

        PeerVerdict verdict = default;
        DateTimeOffset? peerEnd = null;
        var pool = connection.Features.Get<IMemoryPoolFeature>()?.MemoryPool ?? MemoryPool<byte>.Shared;
        var tls = new TlsPipe(connection.Transport, pool, Verify);
        try
        {
            using var limit = new Limit(s_handshakeTimeout, _time, stop);
            await tls.Stream.AuthenticateAsServerAsync(
                new SslServerAuthenticationOptions
                {
                    ServerCertificateContext = trust.Set.Context,

                    // Which means that it is asked for; whether there must be one is decided below.
                    ClientCertificateRequired = true,
                    CertificateChainPolicy = trust.Verifier.CreatePolicy(),
                    EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                    AllowRenegotiation = false,
                    ApplicationProtocols = address.Protocols,
                },
                limit.Token);
        }
        catch (Exception e)
        {
            if (verdict.Reason is { } reason)
            {
                _telemetry.Refused(reason, verdict.Detail!, connection.RemoteEndPoint, port);
            }
            else if (!stop.IsCancellationRequested)
            {
                var (word, detail) = Classify(e);
                _telemetry.Failed(word, detail, connection.RemoteEndPoint, port);
            }

            await tls.DisposeAsync();
            return await DropAsync(connection);
        }

        return await HandOverAsync(connection, port, tls, trust.Set, verdict.Id, peerEnd, stop);

        bool Verify(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
        {
            try
            {
                verdict = trust.Verifier.Verify(certificate as X509Certificate2, chain, errors);
            }
            catch (CryptographicException e)
            {
                verdict = PeerVerdict.Refuse(PeerReasons.InvalidChain, $"its certificate cannot be read: {e.Message}");
            }

            peerEnd = certificate is X509Certificate2 peer ? new DateTimeOffset(peer.NotAfter.ToUniversalTime()) : null;
            return verdict.Id is not null || (certificate is null && mode == MtlsMode.Permissive);
        }
    }

    private async Task<ConnectionContext?> HandOverAsync(
        ConnectionContext connection, int port, TlsPipe tls, CertificateSet own, SpiffeId? peer, DateTimeOffset? peerEnd, CancellationToken stop)
    {
        connection.Features.Set(new InboundConnection(port, IsTls: true, peer));
        var secure = new MeshConnection(connection, _register, port, tls)
        {
            Own = own,
            HasPeer = peer is not null,
            End = peerEnd < own.NotAfter ? peerEnd : own.NotAfter,
        };
        _register.Add(secure);
        _telemetry.Accepted(isTls: true, peer is not null);
        var isHttp2 = false;
        if (tls.Stream.NegotiatedApplicationProtocol != SslApplicationProtocol.Http11)
        {
            try
            {
                using var limit = new Limit(_silence, _time, stop);
                if (await Sniffer.IsHttp2Async(tls.Input, limit.Token) is not { } speaksHttp2)
                {
                    await secure.DisposeAsync();
                    return null;
                }

                isHttp2 = speaksHttp2;
            }
            catch (Exception e) when (e is OperationCanceledException or IOException or ConnectionAbortedException)
            {
                await secure.DisposeAsync();
                return null;
            }
        }

        new TlsFeatures(tls.Stream, isHttp2).AddTo(connection.Features);
        return secure;
    }

    private static (string Reason, string Detail) Classify(Exception e) => e switch
    {
        OperationCanceledException => ("timeout", "it took too long"),
        IOException { InnerException: null } or ConnectionAbortedException => ("aborted", "the peer went away"),
        _ => ("protocol", e.InnerException?.Message ?? e.Message),
    };

    private static async Task<ConnectionContext?> DropAsync(ConnectionContext connection)
    {
        await connection.DisposeAsync();
        return null;
    }

    /// <summary>Ends a wait after some time, or when the server stops.</summary>
    private sealed class Limit : IDisposable
    {
        private readonly CancellationTokenSource _source;
        private readonly CancellationTokenRegistration _stop;

        public Limit(TimeSpan timeout, TimeProvider time, CancellationToken stop)
        {
            _source = new CancellationTokenSource(timeout, time);
            _stop = stop.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), _source);
        }

        public CancellationToken Token => _source.Token;

        public void Dispose()
        {
            // First, so that a stop cannot come to a source that is gone.
            _stop.Dispose();
            _source.Dispose();
        }
    }
}
