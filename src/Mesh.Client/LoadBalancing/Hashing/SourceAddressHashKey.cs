namespace Mesh.Client.LoadBalancing.Hashing;

/// <summary>The address of the calling process: all its requests go to one endpoint.</summary>
internal sealed class SourceAddressHashKey(string sourceAddress) : HashKey
{
    private readonly ulong _hash = Hash.Of(sourceAddress);

    public override bool TryHash(HttpRequestMessage request, out ulong hash)
    {
        hash = _hash;
        return true;
    }
}
