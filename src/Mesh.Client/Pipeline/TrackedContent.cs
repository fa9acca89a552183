using System.Net;
using System.Runtime.ExceptionServices;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Runtime.Resilience;

namespace Mesh.Client.Pipeline;

/// <summary>
/// A response's body that tells its endpoint, and its destination if that limits requests, when it has been read to the end, broke
/// off or was disposed: until then the attempt counts as in flight. It may also watch that the body does not stand still.
/// </summary>
internal sealed class TrackedContent : HttpContent
{
    private const int BufferSize = 16 * 1024;

    private readonly HttpContent _inner;
    private readonly DestinationBreaker? _place;
    private readonly IdleLimit? _limit;
    private EndpointState? _endpoint;

    public TrackedContent(HttpContent inner, EndpointState? endpoint, DestinationBreaker? place = null, IdleLimit? limit = null)
    {
        _inner = inner;
        _endpoint = endpoint;
        _place = place;
        _limit = limit;
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
        if (_limit is not null)
        {
            return CopyLimitedAsync(stream, cancellationToken);
        }

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
        if (_limit is not null)
        {
            using var source = new TrackedStream(_inner.ReadAsStream(cancellationToken), this);
            source.CopyTo(stream, BufferSize);
            return;
        }

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

    /// <summary>By reads of its own, each of which shows that the body comes on; a slow taker of the bytes is not the callee's fault.</summary>
    private async Task CopyLimitedAsync(Stream destination, CancellationToken cancel)
    {
        var source = new TrackedStream(await _inner.ReadAsStreamAsync(cancel).ConfigureAwait(false), this);
        await using (source.ConfigureAwait(false))
        {
            await source.CopyToAsync(destination, BufferSize, cancel).ConfigureAwait(false);
        }
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

    /// <summary>Gives up a body that stands still, and its connection with it; nobody is reading.</summary>
    private IOException GiveUp(IdleLimit limit, Exception? error)
    {
        var result = limit.Error(_endpoint, error);
        _inner.Dispose();
        Leave();
        return result;
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

        public override int Read(byte[] buffer, int offset, int count)
        {
            if (owner._limit is not null)
            {
                // Only a read that can be cancelled can be given up.
                return ReadAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();
            }

            return Note(inner.Read(buffer, offset, count), count);
        }

        public override int Read(Span<byte> buffer)
        {
            if (owner._limit is not null)
            {
                // Reads into an array and copies.
                return base.Read(buffer);
            }

            return Note(inner.Read(buffer), buffer.Length);
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (owner._limit is { } limit)
            {
                return ReadLimitedAsync(limit, buffer, cancellationToken);
            }

            var read = inner.ReadAsync(buffer, cancellationToken);
            return read.IsCompletedSuccessfully
                ? new ValueTask<int>(Note(read.Result, buffer.Length))
                : AwaitAsync(read, buffer.Length, cancellationToken);
        }

        public override Task CopyToAsync(Stream destination, int bufferSize, CancellationToken cancellationToken) =>
            owner._limit is null
                ? CopyAllAsync(destination, bufferSize, cancellationToken)
                : base.CopyToAsync(destination, bufferSize, cancellationToken);

        public override void CopyTo(Stream destination, int bufferSize)
        {
            if (owner._limit is not null)
            {
                base.CopyTo(destination, bufferSize);
                return;
            }

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

        private async Task CopyAllAsync(Stream destination, int bufferSize, CancellationToken cancel)
        {
            await inner.CopyToAsync(destination, bufferSize, cancel).ConfigureAwait(false);
            owner.Leave();
        }

        private async ValueTask<int> AwaitAsync(ValueTask<int> read, int wanted, CancellationToken cancel)
        {
            try
            {
                return Note(await read.ConfigureAwait(false), wanted);
            }
            catch (Exception) when (!cancel.IsCancellationRequested)
            {
                // It broke off. A read that its caller gave up may be followed by another one.
                owner.Leave();
                throw;
            }
        }

        private ValueTask<int> ReadLimitedAsync(IdleLimit limit, Memory<byte> buffer, CancellationToken cancel)
        {
            var timeout = limit.Begin(cancel);
            ValueTask<int> read;
            try
            {
                read = inner.ReadAsync(buffer, timeout.Token);
            }
            catch
            {
                limit.End(timeout);
                throw;
            }

            if (read.IsCompletedSuccessfully)
            {
                limit.End(timeout);
                return new ValueTask<int>(Note(read.Result, buffer.Length));
            }

            return AwaitLimitedAsync(limit, timeout, read, buffer.Length, cancel);
        }

        private async ValueTask<int> AwaitLimitedAsync(
            IdleLimit limit, AttemptTimeout timeout, ValueTask<int> read, int wanted, CancellationToken cancel)
        {
            limit.Wait(timeout);
            var count = 0;
            Exception? error = null;
            try
            {
                count = await read.ConfigureAwait(false);
            }
            catch (Exception e)
            {
                error = e;
            }

            var hasExpired = limit.End(timeout);
            if (error is null && !hasExpired)
            {
                return Note(count, wanted);
            }

            if (cancel.IsCancellationRequested)
            {
                // The caller knows its own token, not this one's.
                throw new TaskCanceledException(error?.Message, error, cancel);
            }

            if (hasExpired)
            {
                throw owner.GiveUp(limit, error);
            }

            owner.Leave();
            ExceptionDispatchInfo.Throw(error!);
            return 0;
        }

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
