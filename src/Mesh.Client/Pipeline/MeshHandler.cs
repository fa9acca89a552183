namespace Mesh.Client.Pipeline;

/// <summary>
/// What stands in a meshed client's chain in place of its own primary handler, which it keeps for hosts that the mesh
/// does not know.
/// </summary>
/// <remarks>
/// Neither a <see cref="DelegatingHandler"/> nor a <see cref="SocketsHttpHandler"/>, so that nobody reaches through it: a
/// GrpcChannel would put its own connect callback there. Holds no state; the factory may recycle it at any time.
/// </remarks>
internal sealed class MeshHandler : HttpMessageHandler
{
    private readonly MeshPipeline _pipeline;
    private readonly HttpMessageHandler _own;

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
}
