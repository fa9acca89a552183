using System.Text;

namespace Mesh.Client.Tests;

/// <summary>Can be read once: it cannot seek.</summary>
internal sealed class OneWayStream(byte[] bytes) : MemoryStream(bytes)
{
    public OneWayStream(string text)
        : this(Encoding.UTF8.GetBytes(text))
    {
    }

    public override bool CanSeek => false;
}
