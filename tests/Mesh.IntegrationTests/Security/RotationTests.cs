using System.Collections.Concurrent;
using System.Net;
using Grpc.Net.Client;
using Mesh.Discovery.Security;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Mesh.IntegrationTests.Security;

/// <summary>
/// Every two seconds all certificates are new and come from a new root, for a minute, under load, with certificates that are valid
/// for a few seconds: no call fails, and none is carried by a connection whose certificates have expired.
/// </summary>
public sealed class RotationTests
{
    private const int Callers = 32;
    private const string Callee = "greeter";
    private static readonly TimeSpan s_run = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan s_half = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_lifetime = TimeSpan.FromSeconds(6);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Rotation_OfLeafAndRoot_FailsNoCallAndNoConnectionOutlivesItsCertificates()
    {
        var log = new Seen();
        var (calleeSource, callerSource) = (new TestCertificateSource(), new TestCertificateSource());
        var rotation = new Rotation(calleeSource, callerSource, log);
        rotation.Next();
        await using var callee = await StartCalleeAsync(calleeSource, log);
        using var caller = await StartCallerAsync(callerSource, AddressOf(callee));
        var factory = caller.Services.GetRequiredService<IHttpClientFactory>();
        using var channel = GrpcChannel.ForAddress($"http://{Callee}", new GrpcChannelOptions { HttpClient = factory.CreateClient("grpc") });
        var echo = channel.CreateCallInvoker();

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var load = Enumerable.Range(0, Callers).SelectMany(_ => new[]
        {
            log.CallAsync("http/1.1", () => GetAsync(factory, HttpVersion.Version11), stop.Token),
            log.CallAsync("http/2", () => GetAsync(factory, HttpVersion.Version20), stop.Token),
            log.CallAsync("grpc", async () => await echo.AsyncUnaryCall(Echo.Method, null, default, "hello"), stop.Token),
        }).ToArray();

        var start = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(start) < s_run)
        {
            await rotation.RotateAsync(Cancel);
        }

        await stop.CancelAsync();
        await Task.WhenAll(load);
        await caller.StopAsync(Cancel);

        Assert.Empty(log.Failures);
        Assert.Empty(log.Outlived);
        Assert.True(rotation.Count >= 20, $"only {rotation.Count} rotations");
        Assert.All(log.Calls, static pair => Assert.True(pair.Value > 500, $"only {pair.Value} calls over {pair.Key}"));
        Assert.True(log.ServedBy.Count >= rotation.Count / 2, $"callers showed only {log.ServedBy.Count} certificates in {rotation.Count} rotations");
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{rotation.Count} rotations, {log.ServedBy.Count} caller certificates seen, calls {string.Join(", ", log.Calls)}");
    }

    private static async Task<string> GetAsync(IHttpClientFactory factory, Version version)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"http://{Callee}/hello")
        {
            Version = version,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        using var response = await factory.CreateClient("plain").SendAsync(request, Cancel);
        response.EnsureSuccessStatusCode();
        return await response.Content.ReadAsStringAsync(Cancel);
    }

    private static async Task<WebApplication> StartCalleeAsync(TestCertificateSource source, Seen log)
    {
        var builder = WebApplication.CreateSlimBuilder();
        Configure(builder, Callee, source, log, new() { ["Mesh:Security:Mode"] = "STRICT", ["Mesh:Discovery:Providers:0"] = "Configuration" });
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.AddGrpc();
        builder.AddServiceMesh();
        var app = builder.Build();
        app.Use((context, next) =>
        {
            log.Served(context.Features.Get<ITlsConnectionFeature>()?.ClientCertificate);
            return next(context);
        });
        app.MapGet("/hello", () => "hello");
        app.MapGrpcService<Echo.Service>();
        await app.StartAsync(Cancel);
        return app;
    }

    private static async Task<IHost> StartCallerAsync(TestCertificateSource source, string address)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = "web" });
        Configure(builder, "web", source, null, new()
        {
            [$"Mesh:Services:{Callee}:Endpoints:0:Address"] = address,
            [$"Mesh:Services:{Callee}:Endpoints:0:SpeaksMtls"] = "true",

            // A repeated call would hide a failed one.
            ["Mesh:Outbound:RetryAttempts"] = "0",
        });
        builder.AddServiceMesh();
        builder.Services.AddHttpClient();
        var host = builder.Build();
        await host.StartAsync(Cancel);
        return host;
    }

    private static void Configure(
        IHostApplicationBuilder builder, string service, TestCertificateSource source, Seen? log, Dictionary<string, string?> settings)
    {
        settings["Mesh:Service"] = service;
        settings["Mesh:Security:Certificates:Source"] = source.Name;
        builder.Configuration.AddInMemoryCollection(settings);
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<ICertificateSource>(source);
    }

    private static string AddressOf(WebApplication app) =>
        app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();

    /// <summary>Makes authorities and certificates as an issuer does that rotates: first everybody believes the new root, then it signs.</summary>
    private sealed class Rotation(TestCertificateSource callee, TestCertificateSource caller, Seen log)
    {
        private TestAuthority _old = new();
        private TestAuthority _new = new();

        public int Count { get; private set; }

        /// <summary>New leaves of the present root, while the next root is believed already.</summary>
        public void Next() => Publish(_old);

        public async Task RotateAsync(CancellationToken cancel)
        {
            Publish(_old);
            await Task.Delay(s_half, TimeProvider.System, cancel);
            Publish(_new);
            await Task.Delay(s_half, TimeProvider.System, cancel);
            (_old, _new) = (_new, new TestAuthority());
            Count++;
        }

        private void Publish(TestAuthority signer)
        {
            var bundle = new TrustBundle(TestAuthority.DefaultTrustDomain, [_old.Root, _new.Root]);
            var lifetime = s_lifetime + (TimeProvider.System.GetUtcNow() - signer.Now);
            callee.Publish(signer.Set(Callee, bundles: [bundle], lifetime: lifetime));
            caller.Publish(signer.Set("web", bundles: [bundle], lifetime: lifetime));
            log.Published();
        }
    }

    /// <summary>What was called and served. Safe for concurrent use.</summary>
    private sealed class Seen
    {
        private int _published;

        public ConcurrentDictionary<string, int> Calls { get; } = new();

        public ConcurrentBag<string> Failures { get; } = [];

        public ConcurrentBag<string> Outlived { get; } = [];

        public ConcurrentDictionary<string, byte> ServedBy { get; } = new();

        public void Published() => Interlocked.Increment(ref _published);

        public void Served(System.Security.Cryptography.X509Certificates.X509Certificate2? certificate)
        {
            var now = TimeProvider.System.GetUtcNow();
            if (certificate is null || certificate.NotAfter.ToUniversalTime() < now.UtcDateTime)
            {
                Outlived.Add($"at {now:O} a request came with a certificate that was valid until {certificate?.NotAfter.ToUniversalTime():O}");
            }
            else
            {
                ServedBy.TryAdd(certificate.Thumbprint, 0);
            }
        }

        public async Task CallAsync(string kind, Func<Task<string>> call, CancellationToken stop)
        {
            await Task.Yield();
            while (!stop.IsCancellationRequested)
            {
                try
                {
                    if (await call() == "hello")
                    {
                        Calls.AddOrUpdate(kind, 1, static (_, count) => count + 1);
                        continue;
                    }

                    Failures.Add($"{kind}: another answer");
                }
                catch (Exception e) when (!stop.IsCancellationRequested)
                {
                    Failures.Add($"{kind} at rotation {Volatile.Read(ref _published)}: {e}");
                }
            }
        }
    }
}
