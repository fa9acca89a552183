using System.Net.Security;
using Mesh.Benchmarks.Security;
using Mesh.Client.Transport;
using Mesh.Discovery;
using Mesh.Discovery.Security;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Mesh.Benchmarks;

/// <summary>The three handler chains around the same stub: nothing, today's .NET choice, ours.</summary>
internal static class PipelineContenders
{
    public static readonly string[] Names = ["bare", "dotnet", "mesh"];

    private static readonly string[] s_noAddresses = [.. Enumerable.Range(9081, LoadServer.Ports).Select(port => $"http://127.0.0.1:{port}")];

    /// <summary>With what is off by default and watches every request: the failure-rate breaker and the limit that finds itself.</summary>
    public const string Everything = "mesh_all";

    /// <summary>The chain around a stub.</summary>
    public static HttpMessageInvoker Create(string name, Func<HttpMessageHandler> stub) => name switch
    {
        "bare" => new HttpMessageInvoker(stub()),
        "dotnet" => new HttpMessageInvoker(CreateDotNet(stub, s_noAddresses)),
        _ => new HttpMessageInvoker(CreateMesh(stub, s_noAddresses, name == Everything)),
    };

    /// <summary>A client over real sockets, in plaintext or with an identity.</summary>
    public static HttpClient CreateClient(string name, string[] addresses, CertificateSet? identity) => name switch
    {
        "bare" => new HttpClient(CreateHandler(identity)) { BaseAddress = new Uri(addresses[0]) },
        "dotnet" => new HttpClient(CreateDotNet(() => CreateHandler(identity), addresses, identity is null ? "http" : "https"))
        {
            BaseAddress = new Uri(identity is null ? "http://reviews" : "https://reviews"),
        },
        _ => new HttpClient(CreateMesh(null, addresses, identity: identity)) { BaseAddress = new Uri("http://reviews"), Timeout = Timeout.InfiniteTimeSpan },
    };

    /// <summary>The handler that others have: with an identity it does what can be had by setting it up, on the same certificates.</summary>
    private static SocketsHttpHandler CreateHandler(CertificateSet? identity)
    {
        var handler = new SocketsHttpHandler();
        if (identity is not null)
        {
            handler.SslOptions.ClientCertificateContext = SslStreamCertificateContext.Create(identity.Leaf, null, offline: true);
            handler.SslOptions.CertificateChainPolicy = BenchmarkIdentities.ChainPolicy(identity);
            handler.SslOptions.RemoteCertificateValidationCallback = static (_, _, _, errors) =>
                (errors & ~SslPolicyErrors.RemoteCertificateNameMismatch) == SslPolicyErrors.None;
        }

        return handler;
    }

    /// <summary>Microsoft's standard resilience handler and service discovery with their defaults.</summary>
    private static HttpMessageHandler CreateDotNet(Func<HttpMessageHandler> stub, string[] addresses, string scheme = "http")
    {
        var services = new ServiceCollection();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder().AddInMemoryCollection(addresses.Select(
            (address, i) => KeyValuePair.Create($"Services:reviews:{scheme}:{i}", (string?)address))).Build());
        services.AddLogging();
        services.AddServiceDiscovery();
        var client = services.AddHttpClient("reviews").ConfigurePrimaryHttpMessageHandler(stub).RemoveAllLoggers();
        client.AddStandardResilienceHandler();
        client.AddServiceDiscovery();
        return Chain(services.BuildServiceProvider());
    }

    /// <summary>
    /// What most would turn on: header and path match, a 90/10 split, subsets, peak-EWMA, retries, total
    /// and per-try timeout and the header that tells it, retry budget, limit of requests, outcome to the balancer and the outlier detector, in-flight
    /// counts, metrics and span.
    /// </summary>
    private static HttpMessageHandler CreateMesh(
        Func<HttpMessageHandler>? stub, string[] addresses, bool everything = false, CertificateSet? identity = null)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        var settings = new Dictionary<string, string?>
        {
            ["Mesh:Destinations:reviews:Subsets:v1:Labels:version"] = "v1",
            ["Mesh:Destinations:reviews:Subsets:v2:Labels:version"] = "v2",
            ["Mesh:Destinations:reviews:LoadBalancer:Simple"] = "PEAK_EWMA",
            ["Mesh:Destinations:reviews:OutlierDetection:Consecutive5xxErrors"] = "5",
            ["Mesh:Destinations:reviews:ConnectionPool:MaxRequests"] = "1000",
            ["Mesh:Routes:reviews:0:Match:0:Headers:end-user:Exact"] = "jason",
            ["Mesh:Routes:reviews:0:Route:0:Subset"] = "v2",
            ["Mesh:Routes:reviews:1:Match:0:Uri:Prefix"] = "/reviews",
            ["Mesh:Routes:reviews:1:Route:0:Subset"] = "v1",
            ["Mesh:Routes:reviews:1:Route:0:Weight"] = "90",
            ["Mesh:Routes:reviews:1:Route:1:Subset"] = "v2",
            ["Mesh:Routes:reviews:1:Route:1:Weight"] = "10",
        };
        if (everything)
        {
            settings["Mesh:Destinations:reviews:CircuitBreaker:FailureRatio"] = "0.1";
            settings["Mesh:Destinations:reviews:AdaptiveConcurrency:Mode"] = "Enforce";
        }

        for (var i = 0; i < addresses.Length; i++)
        {
            settings[$"Mesh:Services:reviews:Endpoints:{i}:Address"] = addresses[i].Replace("https:", "http:", StringComparison.Ordinal);
            settings[$"Mesh:Services:reviews:Endpoints:{i}:SpeaksMtls"] = identity is null ? "false" : "true";
            settings[$"Mesh:Services:reviews:Endpoints:{i}:Labels:version"] = i < (addresses.Length + 1) / 2 ? "v1" : "v2";
        }

        if (identity is not null)
        {
            settings["Mesh:Security:Certificates:Source"] = OneIdentity.SourceName;
            builder.Services.AddSingleton<ICertificateSource>(new OneIdentity(identity));
        }

        builder.Configuration.AddInMemoryCollection(settings);
        if (stub is not null)
        {
            builder.Services.AddSingleton<IEndpointHandlerFactory>(new StubFactory(stub));
        }

        builder.AddServiceMesh();
        builder.Services.AddHttpClient("reviews").RemoveAllLoggers();
        var host = builder.Build();
        host.Start();
        return Chain(host.Services);
    }

    private static HttpMessageHandler Chain(IServiceProvider services) =>
        services.GetRequiredService<IHttpMessageHandlerFactory>().CreateHandler("reviews");

    /// <summary>A source of certificates that never changes them.</summary>
    private sealed class OneIdentity(CertificateSet identity) : ICertificateSource
    {
        public const string SourceName = "Benchmark";

        public string Name => SourceName;

        public Task WatchAsync(Action<CertificateSet> publish, CancellationToken stop)
        {
            publish(identity);
            return Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stop);
        }
    }

    private sealed class StubFactory(Func<HttpMessageHandler> stub) : IEndpointHandlerFactory
    {
        public HttpMessageHandler Create(Endpoint endpoint) => stub();
    }
}
