using System.Text;
using Mesh.Client.Pipeline;
using Mesh.Client.Transport;
using Mesh.Discovery;
using Mesh.Discovery.Runtime;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Client.Tests.Http;

public sealed class MeshedClientTests
{
    [Fact]
    public async Task AddServiceMesh_EveryClientOfTheFactory_IsMeshed()
    {
        await using var mesh = await TestMesh.StartAsync(null, static builder =>
        {
            builder.Services.AddHttpClient("named");
            builder.Services.AddHttpClient<Typed>();
        });

        await Get(mesh.Http);
        await Get(mesh.Client("named"));
        await Get(mesh.Client("never registered"));
        await Get(mesh.Services.GetRequiredService<Typed>().Client);

        Assert.Equal(4, mesh.Endpoints.Attempts.Count);
    }

    [Fact]
    public async Task WithoutServiceMesh_TheClient_IsAsItWouldBe()
    {
        var own = new Own();
        await using var mesh = await TestMesh.StartAsync(null, builder =>
            builder.Services.AddHttpClient("out").WithoutServiceMesh().ConfigurePrimaryHttpMessageHandler(() => own));

        await Get(mesh.Client("out"));

        Assert.Equal(1, own.Calls);
        Assert.Empty(mesh.Endpoints.Attempts);
        Assert.Equal(TimeSpan.FromSeconds(100), mesh.Client("out").Timeout);
    }

    [Fact]
    public async Task AddServiceMesh_OneClient_LeavesTheOthersOut()
    {
        var own = new Own();
        await using var mesh = await TestMesh.StartAsync(
            null,
            builder =>
            {
                builder.Services.AddHttpClient("in").AddServiceMesh(static options => options.Namespace = "default");
                builder.Services.AddHttpClient("out").ConfigurePrimaryHttpMessageHandler(() => own);
            },
            meshAll: false);

        await Get(mesh.Client("in"));
        await Get(mesh.Client("out"));

        Assert.Single(mesh.Endpoints.Attempts);
        Assert.Equal(1, own.Calls);
        Assert.Equal(Timeout.InfiniteTimeSpan, mesh.Client("in").Timeout);
        Assert.Equal(TimeSpan.FromSeconds(100), mesh.Client("out").Timeout);
    }

    [Fact]
    public async Task AddServiceMesh_Twice_MeshesOnceAndRunsBothActions()
    {
        await using var mesh = await TestMesh.StartAsync(null, static builder =>
        {
            builder.AddServiceMesh(static options => options.Labels["a"] = "1");
            builder.AddServiceMesh(static options => options.Labels["b"] = "2");
            builder.Services.AddHttpClient("named").AddServiceMesh();
        });
        mesh.Endpoints.Script(() => ScriptedEndpoints.Status(503));

        using var response = await mesh.Finish(mesh.Client("named").GetAsync("http://reviews/", TestContext.Current.CancellationToken));

        Assert.Equal(3, mesh.Endpoints.Attempts.Count);
        Assert.Equal(["a", "b"], mesh.Services.GetRequiredService<MeshOptions>().Labels.Keys.Order());
        Assert.Single(mesh.Services.GetServices<IHostedService>().OfType<MeshHostedService>());
    }

    [Fact]
    public async Task Timeout_SetByTheApplication_Holds()
    {
        await using var mesh = await TestMesh.StartAsync(null, static builder =>
        {
            builder.Services.AddHttpClient("set", static client => client.Timeout = TimeSpan.FromSeconds(7));
            builder.Services.AddHttpClient("unset");
        });

        Assert.Equal(TimeSpan.FromSeconds(7), mesh.Client("set").Timeout);
        Assert.Equal(Timeout.InfiniteTimeSpan, mesh.Client("unset").Timeout);
    }

    [Fact]
    public async Task Send_ResilienceAndDiscoveryHandlers_AreTakenOutWithAWarning()
    {
        await using var mesh = await TestMesh.StartAsync(null, static builder =>
        {
            builder.Services.AddServiceDiscovery();
            builder.Services.AddHttpClient("resilient").AddStandardResilienceHandler();
            builder.Services.AddHttpClient("discovering").AddServiceDiscovery();
            builder.Services.AddHttpClient("own").AddHttpMessageHandler(static () => new ResilienceHandler());
        });
        mesh.Endpoints.Script(() => ScriptedEndpoints.Status(503));

        using (await mesh.Finish(mesh.Client("resilient").GetAsync("http://reviews/", TestContext.Current.CancellationToken)))
        {
            Assert.Equal(3, mesh.Endpoints.Attempts.Count);
        }

        using (await mesh.Finish(mesh.Client("discovering").GetAsync("http://reviews/", TestContext.Current.CancellationToken)))
        {
            Assert.All(mesh.Endpoints.Attempts, static a => Assert.Equal("http://reviews/", a.Uri.ToString()));
        }

        using (await mesh.Finish(mesh.Client("own").GetAsync("http://reviews/", TestContext.Current.CancellationToken)))
        {
            Assert.Contains("x-own: 1", mesh.Endpoints.Attempts.Last().Headers, StringComparison.Ordinal);
        }

        var warnings = mesh.Logs.GetSnapshot().Where(static log => log.Level == LogLevel.Warning).Select(static log => log.Message).ToArray();
        Assert.Equal(2, warnings.Length);
        Assert.Contains(warnings, static w => w.StartsWith("The client 'resilient' is meshed, so its ResilienceHandler was taken out", StringComparison.Ordinal));
        Assert.Contains(warnings, static w => w.StartsWith("The client 'discovering' is meshed, so its Resolving", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Dispose_Handler_LeavesTransportsOpen()
    {
        await using var mesh = await TestMesh.StartAsync();
        var own = new Own();
        var handler = new MeshHandler(mesh.Services.GetRequiredService<MeshPipeline>(), own);
        using (var client = new HttpClient(handler))
        {
            await Get(client);
        }

        Assert.True(own.IsDisposed);
        Assert.Empty(mesh.Endpoints.Disposed);
        await Get(mesh.Http);
        Assert.Equal(mesh.Endpoints.Created.Count, mesh.Endpoints.Created.Distinct().Count());
    }

    [Fact]
    public async Task Send_Synchronously_Works()
    {
        await using var mesh = await TestMesh.StartAsync();

        using var response = mesh.Http.Send(
            new HttpRequestMessage(HttpMethod.Get, "http://reviews/"), TestContext.Current.CancellationToken);
        using var reader = new StreamReader(response.Content.ReadAsStream(TestContext.Current.CancellationToken));

        Assert.Equal("ok", await reader.ReadToEndAsync(TestContext.Current.CancellationToken));
        Assert.Equal(0, mesh.InFlight);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Dispose_ContainerWithoutHost_ClosesConnections(bool isAsync)
    {
        var endpoints = new ScriptedEndpoints();
        var services = new ServiceCollection();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder().AddJsonStream(
            new MemoryStream(Encoding.UTF8.GetBytes($$"""{ "Mesh": { {{TestMesh.Reviews(endpoints: 1)}} } }"""))).Build());
        services.AddSingleton<IEndpointHandlerFactory>(endpoints);
        services.AddHttpClient("in").AddServiceMesh();
        var provider = services.BuildServiceProvider(validateScopes: true);

        await Get(provider.GetRequiredService<IHttpClientFactory>().CreateClient("in"));
        Assert.Empty(endpoints.Disposed);
        if (isAsync)
        {
            await provider.DisposeAsync();
        }
        else
        {
            provider.Dispose();
        }

        Assert.Equal(["10.0.0.1:8080"], endpoints.Disposed);
    }

    [Fact]
    public async Task Start_ErrorsEverywhere_AreToldTogether()
    {
        var folder = Directory.CreateTempSubdirectory("mesh");
        try
        {
            await File.WriteAllTextAsync(
                Path.Combine(folder.FullName, "bad.yaml"),
                """
                apiVersion: networking.istio.io/v1
                kind: VirtualService
                metadata:
                  name: ratings
                spec:
                  hosts: [ ratings ]
                  http:
                  - route:
                    - destination: { host: ratings }
                    timeout: soon
                """,
                TestContext.Current.CancellationToken);

            var error = await Assert.ThrowsAsync<MeshConfigurationException>(() => TestMesh.StartAsync(
                $$"""
                "Weight": "heavy", "Typo": 1,
                "Discovery": { "Providers": [ "Configuration", "Nowhere" ] },
                "Services": { "reviews": { "Endpoints": [ { "Address": "not an address" } ] } },
                "Routes": { "reviews": [ { "Route": [ { "Weight": -1 } ] } ] },
                "Config": { "Files": [ "{{folder.FullName.Replace('\\', '/')}}/*.yaml" ] }
                """));

            foreach (var part in new[] { "Mesh:Weight", "Mesh:Typo", "'Nowhere'", "not an address", "Mesh:Routes:reviews:0:Route:0:Weight", "soon" })
            {
                Assert.Contains(part, error.Message, StringComparison.Ordinal);
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Options_Nothing_AreTheDocumentedDefaults()
    {
        await using var mesh = await TestMesh.StartAsync("");
        var options = mesh.Services.GetRequiredService<MeshOptions>();

        Assert.Equal("caller", options.Service);
        Assert.Equal("default", options.Namespace);
        Assert.Equal(1, options.Weight);
        Assert.Equal(["File"], options.Discovery.Providers);
        Assert.Equal(UnknownHosts.Allow, options.Outbound.UnknownHosts);
        Assert.Equal(TimeSpan.FromSeconds(5), options.Outbound.FirstViewTimeout);
        Assert.Equal(TimeSpan.FromSeconds(30), options.Outbound.Timeout);
        Assert.Equal(TimeSpan.FromSeconds(10), options.Outbound.PerTryTimeout);
        Assert.Equal(TimeSpan.FromSeconds(5), options.Outbound.ConnectTimeout);
        Assert.Equal(2, options.Outbound.RetryAttempts);
    }

    [Fact]
    public async Task Send_OwnHandlers_SeeOneLogicalRequest()
    {
        var counting = new Counting();
        await using var mesh = await TestMesh.StartAsync(null, builder =>
            builder.Services.AddHttpClient("").AddHttpMessageHandler(() => counting));
        mesh.Endpoints.Script(() => throw ScriptedEndpoints.ConnectFailure(), () => ScriptedEndpoints.Ok());

        await Get(mesh.Http);

        Assert.Equal(1, counting.Calls);
        Assert.Equal(2, mesh.Endpoints.Attempts.Count);
    }

    [Fact]
    public async Task Send_ManyAtOnce_CountsComeBackToZero()
    {
        await using var mesh = await TestMesh.StartAsync();
        mesh.Endpoints.Answer = static async (_, attempt) =>
        {
            await Task.Yield();
            return attempt.Address == "10.0.0.1:8080" ? throw ScriptedEndpoints.ConnectFailure() : ScriptedEndpoints.Ok();
        };

        await mesh.Finish(Task.WhenAll(Enumerable.Range(0, 2_000).Select(async _ =>
        {
            using var response = await mesh.Http.GetAsync("http://reviews/");
            return response.StatusCode;
        })));

        Assert.Equal(0, mesh.InFlight);
        Assert.True(mesh.Endpoints.Attempts.Count > 2_000);
        Assert.IsType<FakeTimeProvider>(mesh.Services.GetRequiredService<TimeProvider>());
        Assert.True(mesh.Services.GetRequiredService<MeshRuntime>().Synced.IsCompletedSuccessfully);
    }

    private static async Task Get(HttpClient client)
    {
        using var response = await client.GetAsync("http://reviews/", TestContext.Current.CancellationToken);
    }

    private sealed class Typed(HttpClient client)
    {
        public HttpClient Client { get; } = client;
    }

    private sealed class Own : HttpMessageHandler
    {
        public int Calls { get; private set; }

        public bool IsDisposed { get; private set; }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Calls++;
            return Task.FromResult(new HttpResponseMessage());
        }

        protected override void Dispose(bool disposing)
        {
            IsDisposed = true;
            base.Dispose(disposing);
        }
    }

    private sealed class Counting : DelegatingHandler
    {
        public int Calls { get; private set; }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Calls++;
            return base.SendAsync(request, cancellationToken);
        }
    }

    /// <summary>The application's own, of the same name as Microsoft's.</summary>
    private sealed class ResilienceHandler : DelegatingHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            request.Headers.Add("x-own", "1");
            return base.SendAsync(request, cancellationToken);
        }
    }
}
