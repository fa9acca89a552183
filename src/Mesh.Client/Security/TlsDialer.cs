using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Mesh.Client.Telemetry;
using Mesh.Client.Transport;
using Mesh.Discovery;
using Mesh.Discovery.Rules.Reading;
using Microsoft.Extensions.Logging;

namespace Mesh.Client.Security;

/// <summary>Secures connections to endpoints: who answers must be who was called. Safe for concurrent use.</summary>
/// <remarks>Whatever is wrong is found before a request is sent, and is thrown as an <see cref="AuthenticationException"/> that says what.</remarks>
internal sealed partial class TlsDialer(
    TlsFiles files, Agenda agenda, MeshClientTelemetry telemetry, TimeProvider time, IRandomSource random, ILogger<TlsDialer> logger)
{
    /// <summary>What peers write into their certificates is shown no longer than this.</summary>
    private const int MaxDetail = 400;

    /// <summary>By plan, so that each endpoint's troubles are told once as long as nothing changes.</summary>
    private readonly ConditionalWeakTable<TlsPlan, HashSet<string>> _told = [];

    /// <summary>What is wrong before anything is dialled.</summary>
    /// <exception cref="AuthenticationException">Something is.</exception>
    public void Check(TlsPlan plan, Uri address)
    {
        var obstacle = plan.Obstacle
            ?? (plan.Trust is { } trust && trust.Set.NotAfter <= time.GetUtcNow()
                ? new TlsObstacle(TlsReasons.OwnExpired, $"the certificate of this process, {trust.Set.Id}, has expired at {trust.Set.NotAfter:u}, and there is no newer one")
                : null);
        if (obstacle is not null)
        {
            throw Fail(plan, address, "refused", obstacle.Reason, $"no connection to {plan.Callee} at {address.Authority}: {obstacle.Detail}", null);
        }
    }

    /// <summary>Makes a connection secure.</summary>
    /// <param name="socket">The connection, which is closed with the stream.</param>
    /// <param name="plan">How.</param>
    /// <param name="address">Where it leads to.</param>
    /// <param name="context">What the handler wants it for.</param>
    /// <param name="owner">Whose connection it is.</param>
    /// <param name="cancel">Ends the handshake.</param>
    /// <exception cref="AuthenticationException">The peer is not who was called.</exception>
    public async ValueTask<Stream> SecureAsync(
        Socket socket, TlsPlan plan, Uri address, SocketsHttpConnectionContext context, EndpointInvoker? owner, CancellationToken cancel)
    {
        var check = new PeerCheck(plan);
        var options = Options(plan, address, context, check);
        var tls = new MeshSslStream(new NetworkStream(socket, ownsSocket: true));
        try
        {
            await tls.AuthenticateAsClientAsync(options, cancel).ConfigureAwait(false);
            var end = Earlier(options.ClientCertificateContext?.TargetCertificate.NotAfter, check.PeerNotAfter);
            if (end is { } first)
            {
                tls.Lifetime = ConnectionLifetime.Start(
                    agenda, socket, owner, time.GetUtcNow(), first, random.NextDouble(), () => Log.Closed(logger, plan.Callee, address.Authority));
            }

            telemetry.Handshake(plan.Callee, "ok", null);
            return tls;
        }
        catch (Exception e)
        {
            await tls.DisposeAsync().ConfigureAwait(false);
            if (check.Refusal is { } refusal)
            {
                var expected = plan.Names.Count > 0 ? string.Join(" or ", plan.Names) : options.TargetHost;
                throw Fail(
                    plan, address, "refused", refusal.Reason!,
                    $"{address.Authority} is not {plan.Callee}: {RuleText.Cut(refusal.Detail!, MaxDetail)}; expected was {expected}", e);
            }

            telemetry.Handshake(plan.Callee, "failed", TlsReasons.Handshake);
            if (e is AuthenticationException)
            {
                // The runtime's own message only refers to the inner exception.
                throw new AuthenticationException(
                    $"no TLS with {plan.Callee} at {address.Authority}: {RuleText.Cut(e.GetBaseException().Message, MaxDetail)}", e);
            }

            throw;
        }
    }

    private SslClientAuthenticationOptions Options(TlsPlan plan, Uri address, SocketsHttpConnectionContext context, PeerCheck check)
    {
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = plan.Host ?? context.DnsEndPoint.Host,
            ApplicationProtocols = plan.Negotiates ? Protocols(context.InitialRequestMessage) : null,
            RemoteCertificateValidationCallback = check.Verify,
        };
        if (plan.Trust is { } trust)
        {
            options.ClientCertificateContext = trust.Set.Context;
            options.CertificateChainPolicy = trust.Verifier.CreatePolicy();
            return options;
        }

        var settings = plan.Settings;
        try
        {
            if (settings.ClientCertificate is { } certificate)
            {
                options.ClientCertificateContext = files.Shown(certificate, settings.PrivateKey!);
            }

            if (settings.CaCertificates is { } roots)
            {
                options.CertificateChainPolicy = new X509ChainPolicy
                {
                    TrustMode = X509ChainTrustMode.CustomRootTrust,
                    RevocationMode = X509RevocationMode.NoCheck,
                    DisableCertificateDownloads = true,
                    VerificationTime = time.GetUtcNow().LocalDateTime,
                    VerificationTimeIgnored = false,
                };
                options.CertificateChainPolicy.CustomTrustStore.AddRange(files.Roots(roots));
            }
        }
        catch (AuthenticationException e)
        {
            throw Fail(plan, address, "refused", TlsReasons.File, $"no connection to {plan.Callee} at {address.Authority}: {e.Message}", e);
        }

        return options;
    }

    /// <summary>
    /// What is offered must be what the pool will speak: under an http address HTTP/2 only if nothing lower will do, under https as the
    /// handler itself would.
    /// </summary>
    private static List<SslApplicationProtocol> Protocols(HttpRequestMessage request)
    {
        var isHttp2 = request.Version.Major >= 2;
        var policy = request.VersionPolicy;
        if (isHttp2 && policy != HttpVersionPolicy.RequestVersionOrLower)
        {
            return [SslApplicationProtocol.Http2];
        }

        return (isHttp2 || policy == HttpVersionPolicy.RequestVersionOrHigher) && request.RequestUri?.Scheme == Uri.UriSchemeHttps
            ? [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11]
            : [SslApplicationProtocol.Http11];
    }

    private static DateTimeOffset? Earlier(DateTime? own, DateTimeOffset? peer)
    {
        DateTimeOffset? mine = own is { } local ? new DateTimeOffset(local.ToUniversalTime()) : null;
        return mine is null || peer < mine ? peer : mine;
    }

    private AuthenticationException Fail(TlsPlan plan, Uri address, string result, string reason, string message, Exception? inner)
    {
        telemetry.Handshake(plan.Callee, result, reason);
        var told = _told.GetOrCreateValue(plan);
        bool isNew;
        lock (told)
        {
            isNew = told.Add(reason);
        }

        if (isNew)
        {
            Log.Refused(logger, address.Authority, reason, message);
        }

        return new AuthenticationException(message, inner);
    }

    private static partial class Log
    {
        [LoggerMessage(206, LogLevel.Warning, "No secure connection to {Endpoint} ({Reason}): {Message}")]
        public static partial void Refused(ILogger logger, string endpoint, string reason, string message);

        [LoggerMessage(207, LogLevel.Information, "A connection to {Service} at {Endpoint} was closed with what it carried, because one of its certificates has expired.")]
        public static partial void Closed(ILogger logger, string service, string endpoint);
    }
}
