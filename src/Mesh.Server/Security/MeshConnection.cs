using System.IO.Pipelines;
using System.Net;
using Mesh.Discovery.Security;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;

namespace Mesh.Server.Security;

/// <summary>A connection to a port of the mesh, as Kestrel gets it; also a feature of itself, for <see cref="PeerMiddleware"/>.</summary>
internal sealed class MeshConnection : ConnectionContext
{
    private readonly ConnectionContext _inner;
    private readonly ConnectionRegister _register;
    private readonly IDuplexPipe _transport;
    private readonly TlsPipe? _tls;
    private volatile bool _isDraining;
    private volatile bool _isRefused;
    private int _closeAsked;

    /// <param name="inner">The transport's connection.</param>
    /// <param name="register">Where it is known as long as it is open.</param>
    /// <param name="port">The local port.</param>
    /// <param name="tls">Its decrypted side; null for plaintext.</param>
    public MeshConnection(ConnectionContext inner, ConnectionRegister register, int port, TlsPipe? tls)
    {
        _inner = inner;
        _register = register;
        _transport = inner.Transport;
        _tls = tls;
        Port = port;
        Features = inner.Features;
        Features.Set(this);
        if (tls is not null)
        {
            inner.Transport = tls;
        }
    }

    public int Port { get; }

    public bool IsTls => _tls is not null;

    /// <summary>Whether the caller has shown a certificate.</summary>
    public bool HasPeer { get; init; }

    /// <summary>The certificates of this process that the handshake was made with; null for plaintext.</summary>
    public CertificateSet? Own { get; init; }

    /// <summary>When it must be over: when either certificate ends; null for plaintext.</summary>
    public DateTimeOffset? End { get; init; }

    /// <summary>The next response on it says that it is the last.</summary>
    public bool IsDraining
    {
        get => _isDraining;
        set => _isDraining = value;
    }

    /// <summary>Its caller has no certificate, and its port demands one by now.</summary>
    public bool IsRefused
    {
        get => _isRefused;
        set => _isRefused = value;
    }

    public override string ConnectionId
    {
        get => _inner.ConnectionId;
        set => _inner.ConnectionId = value;
    }

    public override IFeatureCollection Features { get; }

    public override IDictionary<object, object?> Items
    {
        get => _inner.Items;
        set => _inner.Items = value;
    }

    public override IDuplexPipe Transport
    {
        get => _inner.Transport;
        set => _inner.Transport = value;
    }

    public override EndPoint? LocalEndPoint
    {
        get => _inner.LocalEndPoint;
        set => _inner.LocalEndPoint = value;
    }

    public override EndPoint? RemoteEndPoint
    {
        get => _inner.RemoteEndPoint;
        set => _inner.RemoteEndPoint = value;
    }

    public override CancellationToken ConnectionClosed
    {
        get => _inner.ConnectionClosed;
        set => _inner.ConnectionClosed = value;
    }

    /// <summary>Asks Kestrel to close it when what is in flight is done: by GOAWAY where it is HTTP/2. Once, however often it is called.</summary>
    public void RequestClose()
    {
        // Kestrel sets the feature when it takes the connection.
        if (Features.Get<IConnectionLifetimeNotificationFeature>() is { } lifetime && Interlocked.Exchange(ref _closeAsked, 1) == 0)
        {
            lifetime.RequestClose();
        }
    }

    public override void Abort(ConnectionAbortedException abortReason) => _inner.Abort(abortReason);

    public override void Abort() => _inner.Abort();

    public override async ValueTask DisposeAsync()
    {
        _register.Remove(this);
        if (_tls is not null)
        {
            await _tls.DisposeAsync();
            _inner.Transport = _transport;
        }

        await _inner.DisposeAsync();
    }
}
