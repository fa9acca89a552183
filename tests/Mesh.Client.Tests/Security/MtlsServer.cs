using System.Collections.Concurrent;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Mesh.Discovery.Security;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Mesh.Client.Tests.Security;

/// <summary>A callee that speaks TLS, and says who called it and how.</summary>
internal sealed class MtlsServer : IAsyncDisposable
{
    private const byte HandshakeRecord = 0x16;

    private readonly KestrelServer _server;
    private readonly Settings _settings;

    private MtlsServer(KestrelServer server, Settings settings)
    {
        _server = server;
        _settings = settings;
    }

    /// <summary>As a catalog of the mesh knows it.</summary>
    public string Address => _server.Address.Replace("https:", "http:", StringComparison.Ordinal);

    /// <summary>What it shows from the next handshake on.</summary>
    public CertificateSet Shows
    {
        set => _settings.Use(value);
    }

    /// <summary>The first byte of each connection.</summary>
    public IReadOnlyCollection<byte> FirstBytes => _settings.FirstBytes;

    /// <summary>How many connections are open.</summary>
    public int Open => Volatile.Read(ref _settings.Open);

    /// <summary>The names that callers have asked for.</summary>
    public IReadOnlyCollection<string> Names => _settings.Names;

    /// <param name="set">What it shows, and whom it believes.</param>
    /// <param name="time">By which it judges certificates.</param>
    /// <param name="isPermissive">Whether plaintext is served on the same port.</param>
    /// <param name="asksCallers">Whether callers need a certificate.</param>
    /// <param name="leaf">Shown in place of that of the set.</param>
    /// <param name="negotiates">Whether it negotiates protocols.</param>
    /// <param name="answer">What it answers; who called and how if it is not given.</param>
    public static async Task<MtlsServer> StartAsync(
        CertificateSet set, TimeProvider? time = null, bool isPermissive = false, bool asksCallers = true, X509Certificate2? leaf = null,
        bool negotiates = true, RequestDelegate? answer = null)
    {
        var settings = new Settings(time ?? TimeProvider.System, leaf);
        settings.Use(set);
        var server = await KestrelServer.StartAsync(
            static builder => builder.WebHost.ConfigureKestrel(static kestrel => kestrel.AllowAlternateSchemes = true),
            app => app.Run(answer ?? Describe),
            HttpProtocols.Http1AndHttp2,
            listen =>
            {
                ConnectionDelegate? afterTls = null;
                listen.Use(tls => async connection =>
                {
                    var input = connection.Transport.Input;
                    var read = await input.ReadAsync();
                    if (read.Buffer.IsEmpty)
                    {
                        return;
                    }

                    var first = read.Buffer.FirstSpan[0];
                    settings.FirstBytes.Enqueue(first);
                    input.AdvanceTo(read.Buffer.Start);
                    Interlocked.Increment(ref settings.Open);
                    try
                    {
                        await (isPermissive && first != HandshakeRecord ? afterTls! : tls)(connection);
                    }
                    finally
                    {
                        Interlocked.Decrement(ref settings.Open);
                    }
                });
                listen.UseHttps(new TlsHandshakeCallbackOptions
                {
                    OnConnection = context =>
                    {
                        settings.Names.Enqueue(context.ClientHelloInfo.ServerName);
                        return ValueTask.FromResult(settings.Create(asksCallers, negotiates));
                    },
                });
                listen.Use(next =>
                {
                    afterTls = next;
                    return next;
                });
            });
        return new MtlsServer(server, settings);
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private static Task Describe(HttpContext context)
    {
        var caller = context.Connection.ClientCertificate is { } certificate
            ? SubjectNames.IdOf(certificate, out _)?.ToString() ?? certificate.Subject
            : "nobody";
        return context.Response.WriteAsync(
            $"{caller} {context.Request.Protocol} {context.Request.Scheme} {context.Connection.ClientCertificate?.SerialNumber} {context.Connection.Id}");
    }

    private sealed class Settings(TimeProvider time, X509Certificate2? leaf)
    {
        public readonly ConcurrentQueue<byte> FirstBytes = new();
        public readonly ConcurrentQueue<string> Names = new();
        public int Open;
        private volatile PeerTrust? _trust;

        public void Use(CertificateSet set) => _trust = new PeerTrust(set, time);

        public SslServerAuthenticationOptions Create(bool asksCallers, bool negotiates)
        {
            var trust = _trust!;
            var options = new SslServerAuthenticationOptions
            {
                ServerCertificateContext = leaf is null ? trust.Set.Context : SslStreamCertificateContext.Create(leaf, null, offline: true),
                ClientCertificateRequired = asksCallers,
                CertificateChainPolicy = trust.Verifier.CreatePolicy(),
                RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
                    !asksCallers || trust.Verifier.Verify(certificate as X509Certificate2, chain, errors).Id is not null,
            };
            if (!negotiates)
            {
                options.ApplicationProtocols = [];
            }

            return options;
        }
    }
}
