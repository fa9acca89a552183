using System.Net;

namespace Mesh.Client.Pipeline;

/// <summary>
/// A request's body that can be read only once, copied while it goes out so that another attempt can send the copy: one of a
/// gRPC call, a stream that cannot seek, a form with parts.
/// </summary>
/// <remarks>
/// <para>Only what was written to its end can be sent again. The copy is given up when it would be larger than the cap, and
/// when nobody needs it any more, which may be long before an open stream ends.</para>
/// <para>One attempt writes at a time: the next one begins only if the body had ended in the one before, or nothing of it was
/// ever asked for. The transport itself also sends requests again that HTTP/2 refused. A stream or form then says by itself that it
/// is used up; of other contents nobody knows, and a gRPC call that streams would send nothing without a word. They fail.</para>
/// </remarks>
internal sealed class RecordedBody
{
    private const int FirstSize = 1024;

    private readonly Lock _lock = new();
    private readonly HttpContent _inner;
    private readonly bool _isUpload;
    private readonly int _cap;
    private byte[]? _copy;
    private int _length;
    private bool _isKept = true;
    private bool _hasBegun;
    private bool _isComplete;

    private RecordedBody(HttpContent inner, int cap)
    {
        _inner = inner;
        _isUpload = inner is StreamContent or MultipartContent;
        _cap = cap;
    }

    /// <summary>Whether all of it is in the copy.</summary>
    public bool CanReplay
    {
        get
        {
            lock (_lock)
            {
                return _isComplete && _isKept;
            }
        }
    }

    /// <summary>The recorder of a content; null if the content has none.</summary>
    public static RecordedBody? Of(HttpContent? content) => (content as IRecorded)?.Body;

    /// <summary>
    /// The request with a body that is recorded; the same one where that is not needed, because there is no body, or it can be
    /// sent again as it is, or never.
    /// </summary>
    /// <param name="request">The request.</param>
    /// <param name="isOwn">Whether it is the pipeline's, and not the caller's, who shall find it unchanged.</param>
    /// <param name="cap">How many bytes are kept.</param>
    public static HttpRequestMessage Record(HttpRequestMessage request, bool isOwn, int cap)
    {
        if (request.Content is not { } content || !IsWorthIt(content, cap))
        {
            return request;
        }

        var result = isOwn ? request : RequestCopy.Create(request, request.RequestUri!);
        var body = new RecordedBody(content, cap);
        result.Content = body._isUpload ? new Upload(body) : new Duplex(body);
        return result;
    }

    /// <summary>The whole of it as a content of its own, for an attempt beside this one; null as long as it is not in the copy.</summary>
    public HttpContent? Snapshot()
    {
        lock (_lock)
        {
            if (!_isComplete || !_isKept)
            {
                return null;
            }

            var content = new ByteArrayContent(_copy.AsSpan(0, _length).ToArray());
            CopyHeaders(_inner, content);
            return content;
        }
    }

    /// <summary>There will be no other attempt.</summary>
    public void Forget()
    {
        lock (_lock)
        {
            _isKept = false;
            _copy = null;
        }
    }

    private static bool IsWorthIt(HttpContent content, int cap) =>
        content is not (ByteArrayContent or ReadOnlyMemoryContent)
        && !RetryDecision.CanReplay(content, cap)
        && !(content.Headers.ContentLength > cap);

    private Task CopyToAsync(Stream stream, TransportContext? context, CancellationToken cancel)
    {
        return Begin() is { } copy ? stream.WriteAsync(copy, cancel).AsTask() : RecordAsync(stream, context, cancel);
    }

    private void CopyTo(Stream stream, TransportContext? context, CancellationToken cancel)
    {
        if (Begin() is { } copy)
        {
            stream.Write(copy.Span);
            return;
        }

        _inner.CopyTo(new Recorder(this, stream), context, cancel);
        Complete();
    }

    private async Task RecordAsync(Stream stream, TransportContext? context, CancellationToken cancel)
    {
        await _inner.CopyToAsync(new Recorder(this, stream), context, cancel).ConfigureAwait(false);
        Complete();
    }

    /// <summary>The copy, if there is a whole one.</summary>
    /// <exception cref="IOException">There is none, and the content was written before.</exception>
    private ReadOnlyMemory<byte>? Begin()
    {
        lock (_lock)
        {
            if (_isComplete && _isKept)
            {
                return _copy.AsMemory(0, _length);
            }

            if (_hasBegun && !_isUpload)
            {
                throw new IOException(
                    $"The request was refused after its body had begun, and the body cannot be sent twice: it had not been written to its end, or is above {_cap} bytes.");
            }

            _hasBegun = true;
            _length = 0;
            return null;
        }
    }

    private void Complete()
    {
        lock (_lock)
        {
            _isComplete = true;
        }
    }

    private void Note(ReadOnlySpan<byte> bytes)
    {
        lock (_lock)
        {
            if (!_isKept)
            {
                return;
            }

            var length = _length + bytes.Length;
            if (length > _cap)
            {
                _isKept = false;
                _copy = null;
                return;
            }

            if (_copy is null || _copy.Length < length)
            {
                Array.Resize(ref _copy, Math.Clamp(Math.Max(_length * 2, FirstSize), length, Math.Max(length, _cap)));
            }

            bytes.CopyTo(_copy.AsSpan(_length));
            _length = length;
        }
    }

    private static void CopyHeaders(HttpContent from, HttpContent to)
    {
        foreach (var (name, values) in from.Headers.NonValidated)
        {
            to.Headers.TryAddWithoutValidation(name, (IEnumerable<string>)values);
        }
    }

    private bool TryComputeLength(out long length)
    {
        length = _inner.Headers.ContentLength ?? 0;
        return _inner.Headers.ContentLength is not null;
    }

    private interface IRecorded
    {
        RecordedBody Body { get; }
    }

    /// <summary>What the transport may still be sending when the response is there, as it does with contents of foreign types.</summary>
    private sealed class Duplex : HttpContent, IRecorded
    {
        public Duplex(RecordedBody body)
        {
            Body = body;
            CopyHeaders(body._inner, this);
        }

        public RecordedBody Body { get; }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            Body.CopyToAsync(stream, context, CancellationToken.None);

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken) =>
            Body.CopyToAsync(stream, context, cancellationToken);

        protected override void SerializeToStream(Stream stream, TransportContext? context, CancellationToken cancellationToken) =>
            Body.CopyTo(stream, context, cancellationToken);

        protected override bool TryComputeLength(out long length) => Body.TryComputeLength(out length);
    }

    /// <summary>
    /// What the transport sends wholly before it hands over the response, so that the caller may close the stream behind it
    /// then. HTTP/2 does so for the framework's own types only, and what derives from them.
    /// </summary>
    private sealed class Upload : StreamContent, IRecorded
    {
        public Upload(RecordedBody body)
            : base(Stream.Null)
        {
            Body = body;
            CopyHeaders(body._inner, this);
        }

        public RecordedBody Body { get; }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            Body.CopyToAsync(stream, context, CancellationToken.None);

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken) =>
            Body.CopyToAsync(stream, context, cancellationToken);

        protected override void SerializeToStream(Stream stream, TransportContext? context, CancellationToken cancellationToken) =>
            Body.CopyTo(stream, context, cancellationToken);

        protected override bool TryComputeLength(out long length) => Body.TryComputeLength(out length);

        protected override Task<Stream> CreateContentReadStreamAsync() => Body._inner.ReadAsStreamAsync();

        protected override Stream CreateContentReadStream(CancellationToken cancellationToken) => Body._inner.ReadAsStream(cancellationToken);
    }

    /// <summary>Writes on, and notes what it writes.</summary>
    private sealed class Recorder(RecordedBody body, Stream inner) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            body.Note(buffer);
            inner.Write(buffer);
        }

        public override void WriteByte(byte value) => Write([value]);

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            body.Note(buffer.Span);
            return inner.WriteAsync(buffer, cancellationToken);
        }

        public override void Flush() => inner.Flush();

        public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
