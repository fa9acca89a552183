namespace Mesh.Discovery.Consul;

/// <summary>Somebody else changed the document meanwhile: read it again and decide anew. Nothing was written.</summary>
public sealed class ConsulConflictException : IOException
{
    internal ConsulConflictException(string message)
        : base(message)
    {
    }
}
