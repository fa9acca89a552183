using System.Buffers;
using System.IO.Pipelines;
using System.Net.Security;

namespace Mesh.Server.Security;

/// <summary>The decrypted side of a TLS connection.</summary>
/// <remarks>
/// Buffers come from the transport's pool in the sizes that Kestrel's own HTTPS uses, and idle connections hold none: reads begin
/// with an empty buffer.
/// </remarks>
internal sealed class TlsPipe : IDuplexPipe
{
    private const int SegmentSize = 4096;
    private bool _isDisposed;

    public TlsPipe(IDuplexPipe transport, MemoryPool<byte> pool, RemoteCertificateValidationCallback verify)
    {
        Stream = new SslStream(new DuplexPipeStream(transport), leaveInnerStreamOpen: false, verify);
        var segment = Math.Min(SegmentSize, pool.MaxBufferSize);
        Input = PipeReader.Create(
            Stream, new StreamPipeReaderOptions(pool, segment, segment / 2, leaveOpen: true, useZeroByteReads: true));
        Output = PipeWriter.Create(Stream, new StreamPipeWriterOptions(pool, leaveOpen: true));
    }

    public SslStream Stream { get; }

    public PipeReader Input { get; }

    public PipeWriter Output { get; }

    public async ValueTask DisposeAsync()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        try
        {
            // Before the stream, which they still may write to.
            await Input.CompleteAsync();
            await Output.CompleteAsync();
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException or OperationCanceledException)
        {
            // What could not be written any more: the connection was lost.
        }

        await Stream.DisposeAsync();
    }
}
