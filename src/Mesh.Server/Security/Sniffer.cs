using System.Buffers;
using System.IO.Pipelines;

namespace Mesh.Server.Security;

/// <summary>Looks at the first bytes of a connection and leaves them where they are.</summary>
internal static class Sniffer
{
    /// <summary>The first byte of a TLS record that carries a handshake (RFC 8446, section 5.1).</summary>
    private const byte TlsHandshake = 0x16;

    /// <summary>RFC 9113, section 3.4.</summary>
    private static ReadOnlySpan<byte> Http2Preface => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8;

    /// <summary>Whether TLS comes; null if the connection ends before it says anything.</summary>
    /// <exception cref="OperationCanceledException">Nothing came in time.</exception>
    public static ValueTask<bool?> IsTlsAsync(PipeReader input, CancellationToken cancel) =>
        LookAsync(input, IsTls, cancel);

    /// <summary>Whether HTTP/2 comes; null if the connection ends before it says anything.</summary>
    /// <exception cref="OperationCanceledException">Nothing came in time.</exception>
    public static ValueTask<bool?> IsHttp2Async(PipeReader input, CancellationToken cancel) => LookAsync(input, IsHttp2, cancel);

    private static async ValueTask<bool?> LookAsync(PipeReader input, Func<ReadOnlySequence<byte>, bool?> decide, CancellationToken cancel)
    {
        while (true)
        {
            var result = await input.ReadAsync(cancel);
            var bytes = result.Buffer;
            var decision = bytes.IsEmpty ? null : decide(bytes) ?? (result.IsCompleted ? false : null);
            if (decision is not null || result.IsCompleted || result.IsCanceled)
            {
                // Nothing is examined, so that the next read has it at once.
                input.AdvanceTo(bytes.Start);
                return decision;
            }

            input.AdvanceTo(bytes.Start, bytes.End);
        }
    }

    private static bool? IsTls(ReadOnlySequence<byte> bytes)
    {
        Span<byte> first = stackalloc byte[1];
        bytes.Slice(0, 1).CopyTo(first);
        return first[0] == TlsHandshake;
    }

    /// <summary>Null if more has to come.</summary>
    private static bool? IsHttp2(ReadOnlySequence<byte> bytes)
    {
        Span<byte> first = stackalloc byte[Http2Preface.Length];
        var length = (int)Math.Min(bytes.Length, first.Length);
        bytes.Slice(0, length).CopyTo(first);
        return !Http2Preface.StartsWith(first[..length]) ? false : length == Http2Preface.Length ? true : null;
    }
}
