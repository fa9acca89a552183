using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace Mesh.Client.LoadBalancing.Hashing;

/// <summary>
/// XXH3, 64 bits, over the UTF-16 text as it lies in memory. The same in every process of one byte order, so that all
/// callers of a service send one key to one endpoint.
/// </summary>
internal static class Hash
{
    public static ulong Of(ReadOnlySpan<char> text, long seed = 0) =>
        XxHash3.HashToUInt64(MemoryMarshal.AsBytes(text), seed);
}
