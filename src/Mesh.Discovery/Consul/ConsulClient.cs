using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Mesh.Discovery.Consul;

/// <summary>
/// The HTTP API of a Consul agent, as far as the mesh uses it. Every failure is a <see cref="ConsulException"/> that says
/// what was asked, of whom, and what is wrong.
/// </summary>
/// <remarks>Safe for concurrent use. Consul 1.8 and later.</remarks>
internal sealed class ConsulClient : IDisposable
{
    /// <summary>No answer that the mesh asks for is near it; what is larger is not read.</summary>
    private const int MaxAnswer = 64 * 1024 * 1024;

    private readonly ConsulOptions _options;
    private readonly ConsulToken _token;
    private readonly TimeProvider _time;
    private readonly HttpClient _http;

    /// <param name="options">With the environment applied (<see cref="ConsulEnvironment"/>).</param>
    /// <param name="time">The clock of the time limits.</param>
    public ConsulClient(ConsulOptions options, TimeProvider time)
        : this(options, time, ConsulTransport.Create(options))
    {
    }

    public ConsulClient(ConsulOptions options, TimeProvider time, HttpMessageHandler transport)
    {
        _options = options;
        _time = time;
        _token = new ConsulToken(options);
        _http = new HttpClient(transport)
        {
            BaseAddress = ConsulTransport.BaseAddress(options),
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = MaxAnswer,
            DefaultRequestVersion = HttpVersion.Version11,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionOrHigher,
        };
    }

    /// <summary>The agent, for messages.</summary>
    public string Agent => ConsulAddress.Show(_options.Address!);

    /// <summary>Reads; with an index the agent holds the query until something is newer than that.</summary>
    /// <param name="query">What to read.</param>
    /// <param name="index">From the answer before; 0 answers at once.</param>
    /// <param name="wait">How long the agent may hold the query.</param>
    /// <param name="mayBeStale">Whether another server than the leader may answer.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="ConsulException">No answer, a refusal, or one that cannot be read.</exception>
    public async Task<ConsulAnswer<T>> GetAsync<T>(
        ConsulQuery<T> query, ulong index, TimeSpan wait, bool mayBeStale, CancellationToken cancel)
        where T : class
    {
        var path = query.Path;
        var separator = path.Contains('?') ? '&' : '?';
        if (mayBeStale && _options.AllowStale && !query.IsOfAgentsCache)
        {
            path += $"{separator}stale";
            separator = '&';
        }

        var limit = _options.RequestTimeout;
        if (index > 0)
        {
            path += string.Create(CultureInfo.InvariantCulture, $"{separator}index={index}&wait={Milliseconds(wait)}ms");

            // Consul adds up to a sixteenth, so that waits do not end all at once.
            limit += wait * 1.0625;
        }

        var (status, body, headers) = await SendAsync(HttpMethod.Get, path, null, limit, cancel).ConfigureAwait(false);
        var missing = status == HttpStatusCode.NotFound ? query.WhenMissing : null;
        if (missing is null && status != HttpStatusCode.OK)
        {
            throw Refused(HttpMethod.Get, query.Path, status, body, query.Right);
        }

        return new ConsulAnswer<T>(
            missing ?? Read(query, body),
            missing is null ? body : JsonSerializer.SerializeToUtf8Bytes(missing, query.Type),
            IndexOf(headers),
            query.IsOfAgentsCache || Header(headers, "X-Consul-KnownLeader") != "false",
            Header(headers, "X-Consul-Results-Filtered-By-ACLs") == "true");
    }

    /// <summary>Reads what the agent itself knows of one service, which has a hash of its content and not an index.</summary>
    /// <param name="query">What to read.</param>
    /// <param name="hash">From the answer before: the agent holds the query until the content is another. Empty answers at once.</param>
    /// <param name="wait">For how long it holds it.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="ConsulException">No answer, a refusal, or one that cannot be read.</exception>
    public async Task<T> WatchAsync<T>(ConsulQuery<T> query, string hash, TimeSpan wait, CancellationToken cancel)
        where T : class
    {
        var path = query.Path;
        var limit = _options.RequestTimeout;
        if (hash.Length > 0)
        {
            path += string.Create(CultureInfo.InvariantCulture, $"?hash={Uri.EscapeDataString(hash)}&wait={Milliseconds(wait)}ms");
            limit += wait * 1.0625;
        }

        var (status, body, _) = await SendAsync(HttpMethod.Get, path, null, limit, cancel).ConfigureAwait(false);
        return status == HttpStatusCode.OK ? Read(query, body) : throw Refused(HttpMethod.Get, query.Path, status, body, query.Right);
    }

    /// <summary>Writes something, or asks the agent to do something.</summary>
    /// <param name="method">Mostly PUT.</param>
    /// <param name="path">Path and query.</param>
    /// <param name="body">JSON or text; null for none.</param>
    /// <param name="right">The right that it takes, for the error.</param>
    /// <param name="cancel">Gives up.</param>
    /// <returns>The body of the answer.</returns>
    /// <exception cref="ConsulException">No answer, or a refusal.</exception>
    public async Task<byte[]> SendAsync(HttpMethod method, string path, byte[]? body, string right, CancellationToken cancel)
    {
        var (status, answer, _) = await SendAsync(method, path, body, _options.RequestTimeout, cancel).ConfigureAwait(false);
        return status == HttpStatusCode.OK ? answer : throw Refused(method, path, status, answer, right);
    }

    /// <summary>Reads what was saved of an earlier answer.</summary>
    /// <exception cref="ConsulException">It cannot be read.</exception>
    public T Read<T>(ConsulQuery<T> query, byte[] body)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(body, query.Type) ?? throw new JsonException("it is null");
        }
        catch (JsonException e)
        {
            var start = query.IsSecret ? "" : $" It begins with \"{Start(body)}\".";
            throw new ConsulException(
                $"Consul at {Agent} answered GET {query.Path} with what is not the JSON that was asked for: {e.Message}{start}",
                HttpStatusCode.OK,
                e);
        }
    }

    public void Dispose() => _http.Dispose();

    private async Task<(HttpStatusCode Status, byte[] Body, HttpResponseHeaders Headers)> SendAsync(
        HttpMethod method, string path, byte[]? body, TimeSpan limit, CancellationToken cancel)
    {
        using var timeout = new CancellationTokenSource(limit, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancel);
        try
        {
            using var request = new HttpRequestMessage(method, path);
            if (body is not null)
            {
                request.Content = new ByteArrayContent(body);
            }

            if (_token.Read() is { } token)
            {
                request.Headers.TryAddWithoutValidation("X-Consul-Token", token);
            }

            using var response = await _http.SendAsync(request, either.Token).ConfigureAwait(false);
            var bytes = await response.Content.ReadAsByteArrayAsync(either.Token).ConfigureAwait(false);
            return (response.StatusCode, bytes, response.Headers);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new ConsulException($"Consul at {Agent} did not answer {method} {path} within {limit.TotalSeconds:0.#} s.");
        }
        catch (HttpRequestException e)
        {
            // Consul closes connections beyond its limit without a word.
            var isClosed = e.HttpRequestError == HttpRequestError.ResponseEnded
                || e.GetBaseException() is SocketException { SocketErrorCode: SocketError.ConnectionReset };
            var hint = isClosed
                ? " If that befalls some connections only, its limit http_max_conns_per_client may be reached."
                : "";
            throw new ConsulException($"Consul at {Agent} cannot be reached: {Innermost(e).TrimEnd('.')}.{hint}", null, e) { IsTurnedAway = isClosed };
        }
        catch (IOException e) when (e is not ConsulException)
        {
            throw new ConsulException($"Consul at {Agent} broke off its answer: {e.Message}", null, e);
        }
    }

    private ConsulException Refused(HttpMethod method, string path, HttpStatusCode status, byte[] body, string right)
    {
        var text = $"Consul at {Agent} answered {method} {path} with {(int)status}: {Start(body)}";
        text += status switch
        {
            HttpStatusCode.InternalServerError when text.Contains("Connect must be enabled", StringComparison.Ordinal) =>
                ". Set connect { enabled = true } in the configuration of Consul's servers and agents.",
            HttpStatusCode.Forbidden => $". {_token.Describe()} needs the right {right}, or is not known to Consul.",
            HttpStatusCode.TooManyRequests => ". The agent limits requests or connections: see limits.http_max_conns_per_client in its configuration.",
            _ => "",
        };
        return new ConsulException(text, status);
    }

    /// <summary>At least 1: Consul takes 0 for its own default, five minutes.</summary>
    private static long Milliseconds(TimeSpan wait) => Math.Max(1, (long)Math.Ceiling(wait.TotalMilliseconds));

    private static string Innermost(Exception e) =>
        e is HttpRequestException { InnerException: { } inner } ? Innermost(inner) : e.Message;

    private static string Start(byte[] body)
    {
        var text = Encoding.UTF8.GetString(body.AsSpan(0, Math.Min(body.Length, 300)));
        return string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
    }

    private static string? Header(HttpResponseHeaders headers, string name) =>
        headers.NonValidated.TryGetValues(name, out var values) ? values.ToString() : null;

    /// <summary>Consul's own rule: an index below 1 is 1, so that a query is never held for ever at 0.</summary>
    private static ulong IndexOf(HttpResponseHeaders headers) =>
        ulong.TryParse(Header(headers, "X-Consul-Index"), NumberStyles.None, CultureInfo.InvariantCulture, out var index) && index > 0
            ? index
            : 1;
}
