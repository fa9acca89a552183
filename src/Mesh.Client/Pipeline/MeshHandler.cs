using Mesh.Discovery.Runtime;

namespace Mesh.Client.Pipeline;

/// <summary>
/// What stands in a meshed client's chain in place of its own primary handler, which it keeps for hosts that the mesh
/// does not know.
/// </summary>
/// <remarks>
/// Neither a <see cref="DelegatingHandler"/> nor a <see cref="SocketsHttpHandler"/>, so that nobody reaches through it: a
/// GrpcChannel would put its own connect callback there. Holds nothing that matters; the factory may recycle it at any time.
/// </remarks>
internal sealed class MeshHandler : HttpMessageHandler
{
    private readonly MeshPipeline _pipeline;
    private readonly HttpMessageHandler _own;
    private KnownService? _known;

    public MeshHandler(MeshPipeline pipeline, HttpMessageHandler own)
        : this(pipeline, own, new HttpMessageInvoker(own, disposeHandler: false), RedirectsOf(own)) =>
        WithoutRedirects = new MeshHandler(pipeline, own, PassThrough, 0);

    private MeshHandler(MeshPipeline pipeline, HttpMessageHandler own, HttpMessageInvoker passThrough, int maxRedirects)
    {
        _pipeline = pipeline;
        _own = own;
        PassThrough = passThrough;
        MaxRedirects = maxRedirects;
        WithoutRedirects = this;
    }

    /// <summary>The client's own handler, as it was configured.</summary>
    public HttpMessageInvoker PassThrough { get; }

    /// <summary>How many redirects the client's own handler would have followed.</summary>
    public int MaxRedirects { get; }

    public bool FollowsRedirects => MaxRedirects > 0;

    /// <summary>The same client, handing redirects over.</summary>
    public MeshHandler WithoutRedirects { get; }

    /// <summary>The service that a host names. A client mostly calls one, so the first one is remembered for its snapshot.</summary>
    public ServiceState? Find(MeshSnapshot snapshot, string host)
    {
        var known = _known;
        if (known is not null && ReferenceEquals(known.Snapshot, snapshot))
        {
            return known.Host == host ? known.Service : snapshot.Find(host);
        }

        var service = snapshot.Find(host);
        if (service is not null)
        {
            _known = new KnownService(snapshot, host, service);
        }

        return service;
    }

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
        _pipeline.SendAsync(request, this, cancellationToken);

    protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken) =>
        _pipeline.SendAsync(request, this, cancellationToken).GetAwaiter().GetResult();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _own.Dispose();
        }

        base.Dispose(disposing);
    }

    private static int RedirectsOf(HttpMessageHandler? handler) => handler switch
    {
        SocketsHttpHandler sockets => sockets.AllowAutoRedirect ? sockets.MaxAutomaticRedirections : 0,
        HttpClientHandler client => client.AllowAutoRedirect ? client.MaxAutomaticRedirections : 0,
        DelegatingHandler outer => RedirectsOf(outer.InnerHandler),
        _ => 0,
    };

    private sealed record KnownService(MeshSnapshot Snapshot, string Host, ServiceState Service);
}
