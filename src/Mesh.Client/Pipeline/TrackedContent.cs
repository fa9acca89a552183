using System.Net;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Runtime.Resilience;

namespace Mesh.Client.Pipeline;

/// <summary>
/// A response's body that tells its endpoint, and its destination if that limits requests, when it has been read to the end or disposed: until then the attempt counts
/// as in flight.
/// </summary>
internal sealed class TrackedContent : HttpContent
{
    private readonly HttpContent _inner;
    private readonly DestinationBreaker? _place;
    private EndpointState? _endpoint;

    public TrackedContent(HttpContent inner, EndpointState endpoint, DestinationBreaker? place = null)
    {
        _inner = inner;
        _endpoint = endpoint;
        _place = place;
        foreach (var (name, values) in inner.Headers.NonValidated)
        {
            if (values.Count == 1)
            {
                Headers.TryAddWithoutValidation(name, values.ToString());
            }
            else
            {
                Headers.TryAddWithoutValidation(name, (IEnumerable<string>)values);
            }
        }
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        // A short body is there already when its headers are.
        var copy = _inner.CopyToAsync(stream, context, cancellationToken);
        if (copy.IsCompleted)
        {
            Leave();
            return copy;
        }

        return AwaitAsync(copy);
    }

    protected override void SerializeToStream(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        try
        {
            _inner.CopyTo(stream, context, cancellationToken);
        }
        finally
        {
            Leave();
        }
    }

    protected override Task<Stream> CreateContentReadStreamAsync() => CreateContentReadStreamAsync(CancellationToken.None);

    protected override async Task<Stream> CreateContentReadStreamAsync(CancellationToken cancellationToken) =>
        new TrackedStream(await _inner.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false), this);

    protected override Stream CreateContentReadStream(CancellationToken cancellationToken) =>
        new TrackedStream(_inner.ReadAsStream(cancellationToken), this);

    protected override bool TryComputeLength(out long length)
    {
        // The inner content's own answer; the header is copied, so this is asked only where there is none.
        length = _inner.Headers.ContentLength ?? 0;
        return _inner.Headers.ContentLength is not null;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _inner.Dispose();
            Leave();
        }

        base.Dispose(disposing);
    }

    private async Task AwaitAsync(Task copy)
    {
        try
        {
            await copy.ConfigureAwait(false);
        }
        finally
        {
            Leave();
        }
    }

    private void Leave()
    {
        if (Interlocked.Exchange(ref _endpoint, null) is { } endpoint)
        {
            endpoint.Leave();
            _place?.LeaveAnswered();
        }
    }

    private sealed class TrackedStream(Stream inner, TrackedContent owner) : Stream
    {
        public override bool CanRead => inner.CanRead;

        public override bool CanSeek => inner.CanSeek;

        public override bool CanWrite => inner.CanWrite;

        public override bool CanTimeout => inner.CanTimeout;

        public override long Length => inner.Length;

        public override long Position
        {
            get => inner.Position;
            set => inner.Position = value;
        }

        public override int ReadTimeout
        {
            get => inner.ReadTimeout;
            set => inner.ReadTimeout = value;
        }

        public override int WriteTimeout
        {
            get => inner.WriteTimeout;
            set => inner.WriteTimeout = value;
        }

        public override int Read(byte[] buffer, int offset, int count) => Note(inner.Read(buffer, offset, count), count);

        public override int Read(Span<byte> buffer) => Note(inner.Read(buffer), buffer.Length);

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var read = inner.ReadAsync(buffer, cancellationToken);
            return read.IsCompletedSuccessfully
                ? new ValueTask<int>(Note(read.Result, buffer.Length))
                : AwaitAsync(read, buffer.Length);
        }

        public override async Task CopyToAsync(Stream destination, int bufferSize, CancellationToken cancellationToken)
        {
            await inner.CopyToAsync(destination, bufferSize, cancellationToken).ConfigureAwait(false);
            owner.Leave();
        }

        public override void CopyTo(Stream destination, int bufferSize)
        {
            inner.CopyTo(destination, bufferSize);
            owner.Leave();
        }

        public override long Seek(long offset, SeekOrigin origin) => inner.Seek(offset, origin);

        public override void SetLength(long value) => inner.SetLength(value);

        public override void Write(byte[] buffer, int offset, int count) => inner.Write(buffer, offset, count);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            inner.WriteAsync(buffer, cancellationToken);

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            inner.WriteAsync(buffer, offset, count, cancellationToken);

        public override void Flush() => inner.Flush();

        public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                inner.Dispose();
                owner.Leave();
            }

            base.Dispose(disposing);
        }

        public override async ValueTask DisposeAsync()
        {
            await inner.DisposeAsync().ConfigureAwait(false);
            owner.Leave();
            GC.SuppressFinalize(this);
        }

        private async ValueTask<int> AwaitAsync(ValueTask<int> read, int wanted) =>
            Note(await read.ConfigureAwait(false), wanted);

        private int Note(int read, int wanted)
        {
            if (read == 0 && wanted > 0)
            {
                owner.Leave();
            }

            return read;
        }
    }
}
