using System.Net.Security;

namespace Mesh.Client.Security;

/// <summary>Tells its <see cref="ConnectionLifetime"/> when it is closed.</summary>
internal sealed class MeshSslStream(Stream inner) : SslStream(inner, leaveInnerStreamOpen: false)
{
    public ConnectionLifetime? Lifetime { get; set; }

    public override ValueTask DisposeAsync()
    {
        Lifetime?.End();
        return base.DisposeAsync();
    }

    protected override void Dispose(bool disposing)
    {
        Lifetime?.End();
        base.Dispose(disposing);
    }
}
