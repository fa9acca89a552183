using System.Net;
using Mesh.Discovery;
using Mesh.Discovery.Security;
using Mesh.Server.Inbound;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Mesh.Server.Security;

/// <summary>
/// The first to see a request, where there are certificates: refuses plaintext where a port has become STRICT, ends connections that
/// are to be ended, and settles who the caller is, so that nothing behind it sees an identity that nobody has vouched for.
/// </summary>
/// <remarks>
/// A request that came past the mesh's transport, because the application has a transport or server of its own, is refused if its port
/// is STRICT, unless it is on TLS of the application's own or on what is no IP connection.
/// </remarks>
internal sealed class PeerMiddleware
{
    private readonly RequestDelegate _next;
    private readonly PortModes _modes;
    private readonly TlsTelemetry _telemetry;
    private readonly MeshServerTelemetry _refusals;
    private readonly PrincipalPatterns _gateways;

    public PeerMiddleware(
        RequestDelegate next, MeshOptions options, MeshCertificates certificates, PortModes modes, TlsTelemetry telemetry, MeshServerTelemetry refusals)
    {
        _next = next;
        _modes = modes;
        _telemetry = telemetry;
        _refusals = refusals;
        _gateways = new PrincipalPatterns(options.Security.Gateways, options.Security, certificates);
    }

    public Task InvokeAsync(HttpContext context)
    {
        var features = context.Features;
        if (features.Get<MeshConnection>() is not { } connection)
        {
            var local = context.Connection;
            return local.LocalIpAddress is not null && features.Get<ITlsConnectionFeature>() is null && _modes.Of(local.LocalPort) == MtlsMode.Strict
                ? RefusePlaintextAsync(context, local.LocalPort)
                : _next(context);
        }

        if (connection.IsRefused)
        {
            return RefusePlaintextAsync(context, connection.Port);
        }

        if (connection.IsDraining)
        {
            Drain(context, connection);
        }

        // HTTP/2 says what the caller wrote: the mesh's callers write http, with TLS or without, and others what they like.
        if (connection.IsTls != context.Request.IsHttps)
        {
            context.Request.Scheme = connection.IsTls ? Uri.UriSchemeHttps : Uri.UriSchemeHttp;
        }

        return context.Request.Headers.ContainsKey(ForwardedClientCert.Header) && _modes.Of(connection.Port) != MtlsMode.Disable
            ? ForwardedAsync(context, features.Get<InboundConnection>() ?? new InboundConnection(connection.Port, IsTls: false, null))
            : _next(context);
    }

    /// <summary>While a request holds the connection open, so that what comes meanwhile is still served.</summary>
    private static void Drain(HttpContext context, MeshConnection connection)
    {
        if (HttpProtocol.IsHttp2(context.Request.Protocol))
        {
            connection.RequestClose();
        }
        else
        {
            // At the last moment: who answers in place of the application clears what was set before.
            context.Response.OnStarting(
                static state =>
                {
                    ((HttpResponse)state).Headers.Connection = "close";
                    return Task.CompletedTask;
                },
                context.Response);
        }
    }

    private Task ForwardedAsync(HttpContext context, InboundConnection inbound)
    {
        var headers = context.Request.Headers;
        if (inbound.Peer is not { } peer || !_gateways.Matches(peer))
        {
            _telemetry.ForwardedRemoved(inbound.Peer?.ToString() ?? Remote(context)?.ToString() ?? "an unknown caller");
            headers.Remove(ForwardedClientCert.Header);
            return _next(context);
        }

        if (ForwardedClientCert.Read(headers[ForwardedClientCert.Header], out var caller) is { } problem)
        {
            _telemetry.ForwardedMalformed(peer.ToString(), problem);
            _refusals.Refused(Refusal.MalformedClientCert);
            return Refusal.AnswerAsync(context, Refusal.MalformedClientCert);
        }

        _telemetry.ForwardedBelieved();
        context.Features.Set(inbound with { Peer = caller, Gateway = peer });
        return _next(context);
    }

    private Task RefusePlaintextAsync(HttpContext context, int port)
    {
        _telemetry.PlaintextRequest(Remote(context), port);
        _refusals.Refused(Refusal.PlaintextRefused);
        return Refusal.AnswerAsync(context, Refusal.PlaintextRefused);
    }

    private static IPEndPoint? Remote(HttpContext context) =>
        context.Connection.RemoteIpAddress is { } address ? new IPEndPoint(address, context.Connection.RemotePort) : null;
}
