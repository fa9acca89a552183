using Mesh.Discovery;
using Mesh.Discovery.Security.Authorization;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;

namespace Mesh.Server.Security;

/// <summary>What rules look at of a request, as Kestrel gives it: before anything of the application, which could have changed it.</summary>
internal static class RequestFactsReader
{
    private static readonly HeaderLookup s_lookup = static (source, name) => ((IHeaderDictionary)source)[name];

    /// <param name="context">The request.</param>
    /// <param name="trustDomain">That of this process.</param>
    /// <param name="mode">How paths are normalized.</param>
    public static RequestFacts Read(HttpContext context, string? trustDomain, PathNormalization mode)
    {
        var (request, connection, features) = (context.Request, context.Connection, context.Features);
        var inbound = features.Get<InboundConnection>();
        var user = features.Get<EndUser>();
        var target = features.Get<IHttpRequestFeature>()?.RawTarget ?? "";
        var path = request.PathBase.HasValue ? request.PathBase.Value + request.Path.Value : request.Path.Value ?? "";
        return new RequestFacts
        {
            Method = request.Method,
            MethodOverrides = Overrides(request.Headers),
            Path = PathReadings.Create(target, path, mode),
            Host = request.Host.Value ?? "",
            Peer = inbound?.Peer,
            TrustDomain = trustDomain,
            SourceAddress = connection.RemoteIpAddress,
            RemoteAddress = connection.RemoteIpAddress,
            DestinationAddress = connection.LocalIpAddress,
            Port = inbound?.Port ?? connection.LocalPort,
            ServerName = features.Get<ITlsHandshakeFeature>()?.HostName,
            Principal = user?.Principal,
            Claims = user?.Claims,
            HeaderSource = request.Headers,
            HeaderLookup = s_lookup,
        };
    }

    private static StringValues Overrides(IHeaderDictionary headers)
    {
        var methods = StringValues.Empty;
        foreach (var name in MethodCondition.OverrideHeaders)
        {
            if (headers.TryGetValue(name, out var values))
            {
                methods = StringValues.Concat(methods, values);
            }
        }

        return methods;
    }
}
