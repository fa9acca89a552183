using Mesh.Client.Security;
using Mesh.Discovery.Runtime;

namespace Mesh.Client.Transport;

/// <summary>
/// The connections to one endpoint. They belong to one set of certificates: when there is another one, others take their place, and
/// these finish what they carry.
/// </summary>
internal sealed class EndpointInvoker : HttpMessageInvoker, IReplaceableTransport
{
    private static readonly string s_name = typeof(EndpointInvoker).FullName!;
    private static readonly string s_handlerName = typeof(SocketsHttpHandler).FullName!;

    private readonly EndpointTransport _transport;
    private readonly EndpointState _endpoint;
    private volatile bool _isStale;
    private int _isReplaced;
    private int _isDisposed;

    /// <param name="transport">Who makes the one that takes its place.</param>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="handler">Has the connections.</param>
    /// <param name="connector">Secures them; null for plaintext.</param>
    public EndpointInvoker(EndpointTransport transport, EndpointState endpoint, HttpMessageHandler handler, TlsConnector? connector)
        : base(handler, disposeHandler: true)
    {
        _transport = transport;
        _endpoint = endpoint;
        Plan = connector?.Plan;
        if (connector is not null)
        {
            connector.Owner = this;
        }
    }

    /// <summary>How they are secured; null for plaintext.</summary>
    public TlsPlan? Plan { get; }

    /// <summary>Whether it must not be handed out any more.</summary>
    public bool IsStale => _isStale;

    /// <summary>
    /// Whether a send failed because it took these connections just before others took their place, and was then held up until they were
    /// gone: nothing was sent.
    /// </summary>
    public static bool WasReplaced(Exception error, EndpointState endpoint) =>
        error is ObjectDisposedException { ObjectName: { } name } && (name == s_name || name == s_handlerName)
        && !endpoint.IsRetired && endpoint.Transport is null or EndpointInvoker { _isDisposed: 0 };

    /// <summary>From now on requests get other connections.</summary>
    public void Replace()
    {
        // Before it is taken off, so that whoever puts it there at this moment sees it.
        _isStale = true;
        if (Interlocked.CompareExchange(ref _endpoint.Transport, null, this) == this)
        {
            Replaced();
        }
    }

    public void Replaced()
    {
        _isStale = true;
        if (Interlocked.Exchange(ref _isReplaced, 1) == 0)
        {
            _transport.DisposeLater(this);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) == 0)
        {
            _transport.Forget(this);
            base.Dispose(disposing);
        }
    }
}
