using System.Net;
using Mesh.Discovery;
using Mesh.Discovery.Routing;

namespace Mesh.Client.Pipeline;

/// <summary>Which limit a response's body has. Safe for concurrent use.</summary>
internal sealed class IdleLimits(AttemptTimeouts timeouts, TimeProvider time, MeshOptions options)
{
    private readonly IdleLimit? _default =
        options.Outbound.IdleTimeout > TimeSpan.Zero ? new IdleLimit(timeouts, time, options.Outbound.IdleTimeout) : null;

    /// <summary>That of the last route with one of its own.</summary>
    private IdleLimit? _last;

    /// <summary>The limit; null without one. As with other timeouts, only what its route says holds for a gRPC call.</summary>
    public IdleLimit? Of(Route? route, HttpRequestMessage request, HttpResponseMessage response) =>
        response.Content is ByteArrayContent or ReadOnlyMemoryContent || IsTunnel(request, response) ? null
        : route?.IdleTimeout is { } own ? (own > TimeSpan.Zero ? Own(own) : null)
        : GrpcMessages.IsGrpc(request) ? null
        : _default;

    /// <summary>The same for a response that is not of an endpoint.</summary>
    public IdleLimit? Of(Route? route, HttpRequestMessage request, HttpResponseMessage response, string target) =>
        Of(route, request, response) is { } limit ? new IdleLimit(timeouts, time, limit.Limit, target) : null;

    /// <summary>A connection that is no longer HTTP's, such as that of a WebSocket: silence is no failure there.</summary>
    private static bool IsTunnel(HttpRequestMessage request, HttpResponseMessage response) =>
        response.StatusCode == HttpStatusCode.SwitchingProtocols || request.Method == HttpMethod.Connect;

    private IdleLimit Own(TimeSpan limit)
    {
        var last = Volatile.Read(ref _last);
        if (last?.Limit != limit)
        {
            last = new IdleLimit(timeouts, time, limit);
            Volatile.Write(ref _last, last);
        }

        return last;
    }
}
