using System.Diagnostics;

namespace Mesh.Client.Pipeline;

/// <summary>The copy of a request that goes to a mirror: nothing in it is shared with the original.</summary>
internal static class MirrorRequest
{
    /// <summary>Marks the copy, next to the host's suffix, which a route of the callee could have rewritten.</summary>
    public const string Header = "x-mesh-shadow";

    private const string HostSuffix = "-shadow";

    /// <summary>The body; null without one.</summary>
    /// <param name="content">The original's body, which is not being sent yet.</param>
    /// <param name="cap">How many bytes are copied at most.</param>
    /// <param name="body">The copy.</param>
    /// <returns>False if it is larger, or could be read only once.</returns>
    public static bool TryCopyBody(HttpContent? content, long cap, out byte[]? body)
    {
        body = null;
        if (content is null)
        {
            return true;
        }

        if (!RetryDecision.CanReplay(content, cap))
        {
            return false;
        }

        using var copy = new CappedStream((int)cap);
        try
        {
            content.CopyTo(copy, null, CancellationToken.None);
        }
        catch (Exception) when (copy.IsOver)
        {
            // JSON tells its size only by being written, and a large one is not written to its end for a copy.
            return false;
        }

        body = copy.ToArray();
        return true;
    }

    public static HttpRequestMessage Create(HttpRequestMessage original, byte[]? body)
    {
        var copy = RequestCopy.Create(original, original.RequestUri!);
        copy.Content = body is null ? null : new ByteArrayContent(body);
        foreach (var (name, values) in original.Content?.Headers.NonValidated ?? default)
        {
            if (!name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase))
            {
                copy.Content!.Headers.TryAddWithoutValidation(name, (IEnumerable<string>)values);
            }
        }

        copy.Headers.Remove(DeadlineHeaders.ExpectedTimeout);
        var host = original.Headers.Host ?? original.RequestUri!.Authority;
        copy.Headers.Remove("Host");
        copy.Headers.TryAddWithoutValidation("Host", Shadow(host));
        copy.Headers.Remove(Header);
        copy.Headers.TryAddWithoutValidation(Header, "true");
        return copy;
    }

    /// <summary>The trace context of the caller, for a copy that is sent when the caller may have gone on.</summary>
    public static void InjectTrace(HttpRequestMessage copy, Activity? parent)
    {
        if (parent is not null && !copy.Headers.NonValidated.Contains("traceparent"))
        {
            DistributedContextPropagator.Current.Inject(
                parent, copy, static (carrier, name, value) => ((HttpRequestMessage)carrier!).Headers.TryAddWithoutValidation(name, value));
        }
    }

    /// <summary>Envoy: the suffix goes before the port. An address in brackets stays: with a suffix it would be no host.</summary>
    internal static string Shadow(string host)
    {
        if (host.StartsWith('['))
        {
            return host;
        }

        var port = host.LastIndexOf(':');
        return port < 0 ? host + HostSuffix : string.Concat(host.AsSpan(0, port), HostSuffix, host.AsSpan(port));
    }

    /// <summary>Takes so many bytes and no more.</summary>
    private sealed class CappedStream(int cap) : MemoryStream
    {
        public bool IsOver { get; private set; }

        /// <summary>A derived stream gets spans here, too.</summary>
        public override void Write(byte[] buffer, int offset, int count)
        {
            Check(count);
            base.Write(buffer, offset, count);
        }

        public override void WriteByte(byte value)
        {
            Check(1);
            base.WriteByte(value);
        }

        private void Check(int count)
        {
            IsOver |= Length + count > cap;
            if (IsOver)
            {
                throw new IOException("The body is too large to be mirrored.");
            }
        }
    }
}
