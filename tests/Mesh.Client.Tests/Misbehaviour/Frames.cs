using System.Buffers.Binary;

namespace Mesh.Client.Tests.Misbehaviour;

/// <summary>The server's end of an HTTP/2 connection, frame by frame (RFC 9113). It knows of requests only that they are there.</summary>
internal sealed class Frames
{
    private const byte DataFrame = 0;
    private const byte HeadersFrame = 1;
    private const byte ResetFrame = 3;
    private const byte SettingsFrame = 4;
    private const byte PingFrame = 6;
    private const byte GoAwayFrame = 7;
    private const byte EndStream = 1;
    private const byte Ack = 1;
    private const byte EndHeaders = 4;

    /// <summary>HPACK: the static table's entry for <c>:status: 200</c>.</summary>
    private static readonly byte[] s_ok = [0x88];

    private readonly RawConnection _connection;

    private Frames(RawConnection connection) => _connection = connection;

    /// <summary>Reads the client's preface and answers with empty settings.</summary>
    public static async Task<Frames> AcceptAsync(RawConnection connection)
    {
        await connection.Stream.ReadExactlyAsync(new byte["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".Length], connection.Stop);
        var frames = new Frames(connection);
        await frames.WriteAsync(SettingsFrame, 0, 0, []);
        return frames;
    }

    /// <summary>Answers all requests as it should.</summary>
    public static async Task ServeAsync(RawConnection connection)
    {
        var frames = await AcceptAsync(connection);
        while (true)
        {
            await frames.RespondAsync(await frames.ReadRequestAsync());
        }
    }

    /// <summary>Reads until a request is there, with its body unless that shall be left.</summary>
    /// <returns>The number of its stream.</returns>
    public async Task<int> ReadRequestAsync(bool untilItsEnd = true)
    {
        while (true)
        {
            var (type, flags, stream, payload) = await ReadAsync();
            switch (type)
            {
                case SettingsFrame when (flags & Ack) == 0:
                    await WriteAsync(SettingsFrame, Ack, 0, []);
                    break;
                case PingFrame when (flags & Ack) == 0:
                    await WriteAsync(PingFrame, Ack, 0, payload);
                    break;
                case HeadersFrame:
                    _connection.NoteRequest();
                    break;
            }

            if (type == HeadersFrame ? !untilItsEnd || (flags & EndStream) != 0 : type == DataFrame && untilItsEnd && (flags & EndStream) != 0)
            {
                return stream;
            }
        }
    }

    /// <summary>Reads until the client gives a stream up.</summary>
    /// <returns>The number of the stream, and the error.</returns>
    public async Task<(int Stream, int Error)> ReadResetAsync()
    {
        while (true)
        {
            var (type, _, stream, payload) = await ReadAsync();
            if (type == ResetFrame)
            {
                return (stream, BinaryPrimitives.ReadInt32BigEndian(payload));
            }
        }
    }

    public async Task RespondAsync(int stream)
    {
        await HeadersAsync(stream);
        await DataAsync(stream, end: true);
    }

    /// <summary>Status 200, and a body will follow.</summary>
    public Task HeadersAsync(int stream) => WriteAsync(HeadersFrame, EndHeaders, stream, s_ok);

    public Task DataAsync(int stream, bool end) => WriteAsync(DataFrame, end ? EndStream : (byte)0, stream, "ok"u8.ToArray());

    public Task ResetAsync(int stream, int error) => WriteAsync(ResetFrame, 0, stream, Number(error));

    public Task GoAwayAsync(int lastStream, int error) => WriteAsync(GoAwayFrame, 0, 0, [.. Number(lastStream), .. Number(error)]);

    private static byte[] Number(int value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, value);
        return bytes;
    }

    private async Task<(byte Type, byte Flags, int Stream, byte[] Payload)> ReadAsync()
    {
        var header = new byte[9];
        await _connection.Stream.ReadExactlyAsync(header, _connection.Stop);
        var payload = new byte[(header[0] << 16) | (header[1] << 8) | header[2]];
        await _connection.Stream.ReadExactlyAsync(payload, _connection.Stop);
        return (header[3], header[4], BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(5)) & int.MaxValue, payload);
    }

    private Task WriteAsync(byte type, byte flags, int stream, byte[] payload) => _connection.WriteAsync(
        [(byte)(payload.Length >> 16), (byte)(payload.Length >> 8), (byte)payload.Length, type, flags, .. Number(stream), .. payload]);
}
