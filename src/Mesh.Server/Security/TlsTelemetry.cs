using System.Diagnostics.Metrics;
using System.Net;
using Mesh.Discovery.Rules.Reading;
using Mesh.Server.Inbound;
using Microsoft.Extensions.Logging;

namespace Mesh.Server.Security;

/// <summary>Counts and tells what becomes of connections. Anybody can open them, so lines of the log are few a second.</summary>
internal sealed partial class TlsTelemetry
{
    /// <summary>So many lines a second; what is left out is told with the next.</summary>
    public const int LinesPerSecond = 5;

    private const int MaxDetail = 300;

    private readonly Counter<long> _handshakes;
    private readonly Counter<long> _connections;
    private readonly Counter<long> _forwarded;
    private readonly LineLimit _limit;
    private readonly ILogger _logger;

    public TlsTelemetry(IMeterFactory meters, TimeProvider time, ILogger<TlsTelemetry> logger)
    {
        var meter = meters.Create(MeshServerTelemetry.Name);
        _handshakes = meter.CreateCounter<long>(
            "mesh.server.tls.handshakes", "{handshake}", "TLS handshakes, and connections that would not begin one where it is demanded, by result and reason.");
        _connections = meter.CreateCounter<long>(
            "mesh.server.connections", "{connection}", "Connections that were let in: mutual_tls, tls (without a certificate of the caller) or plaintext.");
        _forwarded = meter.CreateCounter<long>(
            "mesh.server.forwarded_client_cert", "{request}", "Requests with X-Forwarded-Client-Cert: believed, removed or malformed.");
        _limit = new LineLimit(time, LinesPerSecond);
        _logger = logger;
    }

    /// <summary>A connection was let in.</summary>
    public void Accepted(bool isTls, bool hasPeer)
    {
        if (isTls)
        {
            _handshakes.Add(1, new KeyValuePair<string, object?>("mesh.result", "ok"));
        }

        _connections.Add(1, new KeyValuePair<string, object?>("mesh.security", hasPeer ? "mutual_tls" : isTls ? "tls" : "plaintext"));
    }

    /// <summary>A connection was refused, by the mesh.</summary>
    public void Refused(string reason, string detail, EndPoint? from, int port)
    {
        Count("refused", reason);
        if (_limit.TryTake(out var leftOut))
        {
            Log.Refused(_logger, from, port, reason, RuleText.Cut(detail, MaxDetail), leftOut);
        }
    }

    /// <summary>A handshake came to nothing for another reason: time, the peer, or the protocol.</summary>
    public void Failed(string reason, string detail, EndPoint? from, int port)
    {
        Count("failed", reason);
        if (_logger.IsEnabled(LogLevel.Information) && _limit.TryTake(out var leftOut))
        {
            Log.Failed(_logger, from, port, reason, RuleText.Cut(detail, MaxDetail), leftOut);
        }
    }

    /// <summary>A request came over plaintext to a port that has become STRICT.</summary>
    public void PlaintextRequest(EndPoint? from, int port)
    {
        if (_limit.TryTake(out var leftOut))
        {
            Log.PlaintextRequest(_logger, from, port, leftOut);
        }
    }

    public void ForwardedBelieved() => _forwarded.Add(1, new KeyValuePair<string, object?>("mesh.result", "believed"));

    /// <param name="who">The caller that has sent the header.</param>
    public void ForwardedRemoved(string who)
    {
        _forwarded.Add(1, new KeyValuePair<string, object?>("mesh.result", "removed"));
        if (_limit.TryTake(out var leftOut))
        {
            Log.ForwardedRemoved(_logger, who, leftOut);
        }
    }

    /// <param name="who">The gateway that has sent the header.</param>
    /// <param name="problem">What is wrong with it.</param>
    public void ForwardedMalformed(string who, string problem)
    {
        _forwarded.Add(1, new KeyValuePair<string, object?>("mesh.result", "malformed"));
        if (_limit.TryTake(out var leftOut))
        {
            Log.ForwardedMalformed(_logger, who, RuleText.Cut(problem, MaxDetail), leftOut);
        }
    }

    private void Count(string result, string reason) => _handshakes.Add(
        1, new KeyValuePair<string, object?>("mesh.result", result), new KeyValuePair<string, object?>("mesh.reason", reason));

    private static partial class Log
    {
        [LoggerMessage(2030, LogLevel.Warning, "A connection from {Peer} to port {Port} was refused ({Reason}): {Detail}.{LeftOut}")]
        public static partial void Refused(ILogger logger, EndPoint? peer, int port, string reason, string detail, string leftOut);

        [LoggerMessage(2031, LogLevel.Information, "A TLS handshake of {Peer} with port {Port} failed ({Reason}): {Detail}.{LeftOut}")]
        public static partial void Failed(ILogger logger, EndPoint? peer, int port, string reason, string detail, string leftOut);

        [LoggerMessage(2032, LogLevel.Warning, "A request of {Peer} was refused: port {Port} has become STRICT, and the connection is plaintext.{LeftOut}")]
        public static partial void PlaintextRequest(ILogger logger, EndPoint? peer, int port, string leftOut);

        [LoggerMessage(2033, LogLevel.Warning, "X-Forwarded-Client-Cert of {Who} was taken off the request: it is not one of Mesh:Security:Gateways.{LeftOut}")]
        public static partial void ForwardedRemoved(ILogger logger, string who, string leftOut);

        [LoggerMessage(2034, LogLevel.Warning, "A request of the gateway {Who} was refused: its X-Forwarded-Client-Cert {Problem}.{LeftOut}")]
        public static partial void ForwardedMalformed(ILogger logger, string who, string problem, string leftOut);
    }
}
