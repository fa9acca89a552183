using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Mesh.Client.Security;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Security;
using Mesh.Testing;

namespace Mesh.Benchmarks.Security;

/// <summary>
/// <c>handshakes --json</c>: how many mTLS connections a second are set up, in full and resumed, with the options of our dialer and
/// ECDSA P-256, until the first byte has come back. Caller and callee share the process, so the processor time is that of both.
/// </summary>
/// <remarks>
/// Full and resumed take turns; figures are medians over the rounds. <c>bytes</c> is what the caller receives for one connection: the
/// callee's certificate is not among it where the session was resumed.
/// </remarks>
internal static class HandshakesCommand
{
    private const int Rounds = 9;
    private const int Callers = 2;
    private const string Host = "reviews.default.svc.cluster.local";
    private static readonly TimeSpan s_warmUp = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_round = TimeSpan.FromSeconds(1);

    public static async Task<int> RunAsync()
    {
        var authority = new TestAuthority();
        var plan = new TlsPlan
        {
            Mode = TlsMode.Mesh,
            Callee = "reviews.default",
            Names = [authority.Id("reviews").ToString()],
            Trust = new PeerTrust(authority.Set("caller"), TimeProvider.System),
        };
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var stop = new CancellationTokenSource();
        var serving = ServeAsync(listener, authority.Set("reviews"), stop.Token);
        var address = (IPEndPoint)listener.LocalEndpoint;
        var samples = new Dictionary<bool, List<Sample>> { [false] = [], [true] = [] };
        foreach (var resumes in samples.Keys)
        {
            await MeasureAsync(address, plan, resumes, s_warmUp);
        }

        for (var round = 0; round < Rounds; round++)
        {
            var resumes = round % 2 == 0;
            samples[resumes].Add(await MeasureAsync(address, plan, resumes, s_round));
            samples[!resumes].Add(await MeasureAsync(address, plan, !resumes, s_round));
        }

        await stop.CancelAsync();
        await serving;
        Console.WriteLine(new JsonObject
        {
            ["full"] = Describe(samples[false]),
            ["resumed"] = Describe(samples[true]),
            ["resumed_to_full"] = Math.Round(
                PipelineCommand.Median(samples[true].Zip(samples[false], static (resumed, full) => resumed.PerSecond / full.PerSecond)), 3),
        }.ToJsonString());
        return 0;
    }

    private static JsonObject Describe(List<Sample> samples) => new()
    {
        ["per_second"] = Math.Round(PipelineCommand.Median(samples.Select(static sample => sample.PerSecond))),
        ["cpu_us"] = Math.Round(PipelineCommand.Median(samples.Select(static sample => sample.Cpu))),
        ["bytes"] = Math.Round(PipelineCommand.Median(samples.Select(static sample => sample.Bytes))),
    };

    private static async Task<Sample> MeasureAsync(IPEndPoint address, TlsPlan plan, bool resumes, TimeSpan time)
    {
        var cpu = Environment.CpuUsage.TotalTime;
        var watch = Stopwatch.StartNew();
        var counts = await Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => Task.Run(async () =>
        {
            var (count, bytes) = (0, 0L);
            while (watch.Elapsed < time)
            {
                bytes += await ConnectAsync(address, plan, resumes);
                count++;
            }

            return (count, bytes);
        })));
        var elapsed = watch.Elapsed;
        var used = Environment.CpuUsage.TotalTime - cpu;
        var all = counts.Sum(static one => one.count);
        return new Sample(all / elapsed.TotalSeconds, used.TotalMicroseconds / all, (double)counts.Sum(static one => one.bytes) / all);
    }

    /// <summary>Connects, reads the first byte (and with it the ticket for the next time), and closes. Returns the bytes that came.</summary>
    private static async Task<long> ConnectAsync(IPEndPoint address, TlsPlan plan, bool resumes)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(address);
        var counted = new CountingStream(new NetworkStream(socket, ownsSocket: true));
        await using var tls = new MeshSslStream(counted);
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = Host,
            ApplicationProtocols = [SslApplicationProtocol.Http11],
            ClientCertificateContext = plan.Trust!.Set.Context,
            CertificateChainPolicy = plan.Trust.Verifier.CreatePolicy(),
            RemoteCertificateValidationCallback = new PeerCheck(plan).Verify,
            AllowTlsResume = resumes,
        });
        await tls.ReadExactlyAsync(new byte[1]);
        return counted.Received;
    }

    private static async Task ServeAsync(TcpListener listener, CertificateSet identity, CancellationToken stop)
    {
        var trust = new PeerTrust(identity, TimeProvider.System);
        try
        {
            while (true)
            {
                var socket = await listener.AcceptSocketAsync(stop);
                _ = AnswerAsync(socket, trust);
            }
        }
        catch (OperationCanceledException)
        {
            // The end of the run.
        }
    }

    private static async Task AnswerAsync(Socket socket, PeerTrust trust)
    {
        socket.NoDelay = true;
        await using var tls = new SslStream(new NetworkStream(socket, ownsSocket: true));
        await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
        {
            ServerCertificateContext = trust.Set.Context,
            ClientCertificateRequired = true,
            ApplicationProtocols = [SslApplicationProtocol.Http11],
            CertificateChainPolicy = trust.Verifier.CreatePolicy(),
            RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
                trust.Verifier.Verify(certificate as X509Certificate2, chain, errors).Id is not null,
        });
        await tls.WriteAsync(new byte[1]);
        await tls.ReadAtLeastAsync(new byte[1], 1, throwOnEndOfStream: false);
    }

    private readonly record struct Sample(double PerSecond, double Cpu, double Bytes);
}
