namespace Mesh.Discovery.Runtime;

/// <summary>Connections that another transport can take the place of while they still carry something.</summary>
internal interface IReplaceableTransport : IDisposable
{
    /// <summary>Nobody takes it any more but those who have it already: it is to be disposed a little later.</summary>
    void Replaced();
}
