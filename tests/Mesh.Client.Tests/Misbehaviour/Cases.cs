using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Mesh.Client.Pipeline;

namespace Mesh.Client.Tests.Misbehaviour;

/// <summary>All that is known to go wrong between two processes.</summary>
internal static class Cases
{
    private const int NoError = 0;
    private const int InternalError = 2;
    private const int RefusedStream = 7;
    private const int Cancel = 8;
    private const int EnhanceYourCalm = 11;

    public static IReadOnlyList<Case> All { get; } = [.. NoConnection(), .. Tls(), .. BeforeTheResponse(), .. Http2(), .. Bodies()];

    private static IEnumerable<Case> NoConnection() =>
    [
        new("connection refused", AttemptFailure.Unsent, Never) { Dead = DeadAddress.Refusing },
        new("name not found", AttemptFailure.Unsent, Never) { Dead = DeadAddress.Unnamed },
        new("connecting takes too long", AttemptFailure.Unsent, Never) { Dead = DeadAddress.Full, IsSlow = true },
    ];

    private static IEnumerable<Case> Tls() =>
    [
        new("TLS: certificate nobody trusts", AttemptFailure.Unsent, static c => Handshake(c, "localhost")) { Scheme = "https" },
        new("TLS: certificate for another name", AttemptFailure.Unsent, static c => Handshake(c, "other.example")) { Scheme = "https" },
        new("TLS: closed during the handshake", AttemptFailure.Unsent, static async c =>
        {
            await c.Stream.ReadExactlyAsync(new byte[5], c.Stop);
            c.Close();
        }) { Scheme = "https" },
        new("TLS: reset during the handshake", AttemptFailure.Unsent, static async c =>
        {
            await c.Stream.ReadExactlyAsync(new byte[5], c.Stop);
            c.Reset();
        }) { Scheme = "https" },
        new("TLS: handshake stands still", AttemptFailure.Unsent, Hang) { Scheme = "https", IsSlow = true },
        new("TLS: plaintext on the port", AttemptFailure.Unsent, static async c =>
        {
            await c.Stream.ReadExactlyAsync(new byte[5], c.Stop);
            await c.WriteAsync("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }) { Scheme = "https" },
    ];

    private static IEnumerable<Case> BeforeTheResponse() =>
    [
        new("reset before the request was read", AttemptFailure.Reset, static async c =>
        {
            // Not sooner: a reset that overtakes the answer to the connect is no connection.
            await c.UntilSomethingIsThere();
            c.Reset();
        }),
        new("reset after the request", AttemptFailure.Reset, static async c =>
        {
            await c.ReadRequestAsync();
            c.Reset();
        }),
        new("closed after the request", AttemptFailure.Reset, static async c =>
        {
            await c.ReadRequestAsync();
            c.Close();
        }),
        new("reset during the headers", AttemptFailure.Reset, static async c =>
        {
            await c.ReadRequestAsync();
            await c.WriteAsync("HTTP/1.1 200 OK\r\nContent-");
            c.Reset();
        }),
        new("closed during the headers", AttemptFailure.Reset, static async c =>
        {
            await c.ReadRequestAsync();
            await c.WriteAsync("HTTP/1.1 200 OK\r\nContent-");
            c.Close();
        }),
        new("garbage for a status line", AttemptFailure.Reset, static async c =>
        {
            await c.ReadRequestAsync();
            await c.WriteAsync("\u0016\u0003\u0001 no protocol\r\n\r\n");
        }),
        new("headers above 64 KiB", AttemptFailure.Final, static async c =>
        {
            await c.ReadRequestAsync();
            await c.WriteAsync($"HTTP/1.1 200 OK\r\nx-huge: {new string('x', 70_000)}\r\nContent-Length: 2\r\n\r\nok");
        }),
        new("accepts and never answers", AttemptFailure.TimedOut, static async c =>
        {
            await c.ReadRequestAsync();
            c.SayStuck();
        }) { IsSlow = true },
        new("headers come too slowly", AttemptFailure.TimedOut, static async c =>
        {
            await c.ReadRequestAsync();
            foreach (var letter in "HTTP/1.1 200 OK\r\nx-slow: ")
            {
                await c.WriteAsync($"{letter}");
            }

            c.SayStuck();
        }) { IsSlow = true },
    ];

    private static IEnumerable<Case> Http2() =>
    [
        new("HTTP/2: GOAWAY before a stream", null, static async c =>
        {
            var frames = await Frames.AcceptAsync(c);
            if (c.Number == 0)
            {
                await frames.GoAwayAsync(0, NoError);
            }
            else
            {
                await frames.RespondAsync(await frames.ReadRequestAsync());
            }
        }) { HttpMajor = 2, HasBody = true, Or = [AttemptFailure.Unsent, AttemptFailure.Reset] },
        new("HTTP/2: GOAWAY below our stream, once", null, static async c =>
        {
            var frames = await Frames.AcceptAsync(c);
            var stream = await frames.ReadRequestAsync();
            await (c.Number == 0 ? frames.GoAwayAsync(0, NoError) : frames.RespondAsync(stream));
        }) { HttpMajor = 2, HasBody = true },
        new("HTTP/2: GOAWAY below our stream, each time", AttemptFailure.Reset, static async c =>
        {
            var frames = await Frames.AcceptAsync(c);
            await frames.ReadRequestAsync();
            await frames.GoAwayAsync(0, NoError);
        }) { HttpMajor = 2 },
        new("HTTP/2: GOAWAY while our stream is served", null, static async c =>
        {
            var frames = await Frames.AcceptAsync(c);
            var stream = await frames.ReadRequestAsync();
            await frames.GoAwayAsync(stream, NoError);
            await frames.RespondAsync(stream);
        }) { HttpMajor = 2, HasBody = true },
        new("HTTP/2: GOAWAY with an error", AttemptFailure.Reset, static async c =>
        {
            var frames = await Frames.AcceptAsync(c);
            var stream = await frames.ReadRequestAsync();
            await frames.GoAwayAsync(stream, InternalError);
            c.Close();
        }) { HttpMajor = 2 },
        new("HTTP/2: RST_STREAM with REFUSED_STREAM, each time", AttemptFailure.Refused, static c => Refuse(c, RefusedStream)) { HttpMajor = 2 },
        new("HTTP/2: RST_STREAM with INTERNAL_ERROR", AttemptFailure.Reset, static c => Refuse(c, InternalError)) { HttpMajor = 2 },
        new("HTTP/2: RST_STREAM with CANCEL", AttemptFailure.Reset, static c => Refuse(c, Cancel)) { HttpMajor = 2 },
        new("HTTP/2: RST_STREAM with ENHANCE_YOUR_CALM", AttemptFailure.Reset, static c => Refuse(c, EnhanceYourCalm)) { HttpMajor = 2 },
        new("HTTP/2: closed with the stream open", AttemptFailure.Reset, static async c =>
        {
            var frames = await Frames.AcceptAsync(c);
            await frames.ReadRequestAsync();
            c.Close();
        }) { HttpMajor = 2 },
        new("HTTP/2: reset with the stream open", AttemptFailure.Reset, static async c =>
        {
            var frames = await Frames.AcceptAsync(c);
            await frames.ReadRequestAsync();
            c.Reset();
        }) { HttpMajor = 2 },
        new("HTTP/2: GOAWAY before a stream, each time", AttemptFailure.Unsent, static async c =>
        {
            var frames = await Frames.AcceptAsync(c);
            await frames.GoAwayAsync(0, NoError);
        }) { HttpMajor = 2, Or = [AttemptFailure.Reset] },
        new("HTTP/2: closed before its settings", AttemptFailure.Unsent, static async c =>
        {
            await c.UntilSomethingIsThere();
            c.Close();
        }) { HttpMajor = 2, Or = [AttemptFailure.Reset] },
        new("HTTP/2: the callee speaks HTTP/1.1", AttemptFailure.Reset, static async c =>
        {
            await c.Stream.ReadExactlyAsync(new byte[24], c.Stop);
            await c.WriteAsync("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }) { HttpMajor = 2, Or = [AttemptFailure.Unsent] },
        new("HTTP/2: never answers", AttemptFailure.TimedOut, static async c =>
        {
            var frames = await Frames.AcceptAsync(c);
            await frames.ReadRequestAsync();
            c.SayStuck();
        }) { HttpMajor = 2, IsSlow = true },
    ];

    private static IEnumerable<Case> Bodies() =>
    [
        new("body: closed half-way", null, static async c =>
        {
            await c.ReadRequestAsync();
            await c.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok");
            c.Close();
        }),
        new("body: reset half-way", null, static async c =>
        {
            await c.ReadRequestAsync();
            await c.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok");
            c.Reset();
        }),
        new("body: chunks end without the last one", null, static async c =>
        {
            await c.ReadRequestAsync();
            await c.WriteAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n");
            c.Close();
        }),
        new("body: garbage for a chunk", null, static async c =>
        {
            await c.ReadRequestAsync();
            await c.WriteAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n");
        }),
        new("body: longer than its Content-Length", null, static async c =>
        {
            await c.ReadRequestAsync();
            await c.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more");
        }) { HasBody = true },
        new("body: two different Content-Lengths", null, static async c =>
        {
            await c.ReadRequestAsync();
            await c.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 7\r\n\r\nok");
            c.Close();
        }) { HasBody = true },
        new("body: stands still", null, static async c =>
        {
            await c.ReadRequestAsync();
            await c.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok");
            c.SayStuck();
        }) { IsSlow = true },
        new("HTTP/2: body stands still", null, static async c =>
        {
            var frames = await Frames.AcceptAsync(c);
            var stream = await frames.ReadRequestAsync();
            await frames.HeadersAsync(stream);
            await frames.DataAsync(stream, end: false);
            c.SayStuck();
        }) { HttpMajor = 2, IsSlow = true },
        new("HTTP/2: RST_STREAM half-way in the body", null, static async c =>
        {
            var frames = await Frames.AcceptAsync(c);
            var stream = await frames.ReadRequestAsync();
            await frames.HeadersAsync(stream);
            await frames.DataAsync(stream, end: false);
            await frames.ResetAsync(stream, InternalError);
        }) { HttpMajor = 2 },
        new("HTTP/2: closed half-way in the body", null, static async c =>
        {
            var frames = await Frames.AcceptAsync(c);
            var stream = await frames.ReadRequestAsync();
            await frames.HeadersAsync(stream);
            await frames.DataAsync(stream, end: false);
            c.Close();
        }) { HttpMajor = 2 },
    ];

    private static Task Never(RawConnection connection) => throw new InvalidOperationException("There is no server.");

    private static Task Hang(RawConnection connection)
    {
        connection.SayStuck();
        return Task.CompletedTask;
    }

    private static async Task Refuse(RawConnection connection, int error)
    {
        var frames = await Frames.AcceptAsync(connection);
        while (true)
        {
            await frames.ResetAsync(await frames.ReadRequestAsync(), error);
        }
    }

    private static async Task Handshake(RawConnection connection, string name)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var now = TimeProvider.System.GetUtcNow();
        using var made = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        using var certificate = X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pfx), null);
        var tls = new SslStream(connection.Stream);
        connection.Stream = tls;
        try
        {
            await tls.AuthenticateAsServerAsync(certificate);
        }
        catch (AuthenticationException)
        {
            // So says the client, and hangs up.
        }
    }
}
