namespace Bookinfo.Launcher;

/// <summary>The bytes of one connection, up to a limit, in two files: <c>.request</c> and <c>.response</c>.</summary>
internal sealed class WireRecord(string file, Action<bool> ended) : IDisposable
{
    private const int MaxBytes = 256 * 1024;
    private const byte Handshake = 0x16;
    private const byte TlsMajor = 0x03;

    private readonly MemoryStream _request = new();
    private readonly MemoryStream _response = new();
    private readonly Lock _lock = new();
    private bool _isClosed;

    public void Add(ReadOnlySpan<byte> bytes, bool isRequest)
    {
        lock (_lock)
        {
            var stream = isRequest ? _request : _response;
            stream.Write(bytes[..(int)Math.Min(bytes.Length, MaxBytes - stream.Length)]);
        }
    }

    /// <summary>Writes the files.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_isClosed)
            {
                return;
            }

            _isClosed = true;
            var (request, response) = (_request.ToArray(), _response.ToArray());
            File.WriteAllBytes(file + ".request", request);
            File.WriteAllBytes(file + ".response", response);
            ended(request.AsSpan().StartsWith([Handshake, TlsMajor]) && !IsReadable(request) && !IsReadable(response));
        }
    }

    private static bool IsReadable(ReadOnlySpan<byte> bytes) => bytes.IndexOf("HTTP/"u8) >= 0;
}
