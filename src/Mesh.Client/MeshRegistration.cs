using System.Diagnostics.Metrics;
using Mesh.Client.Http;
using Mesh.Client.LoadBalancing;
using Mesh.Client.Pipeline;
using Mesh.Client.Resilience;
using Mesh.Client.Security;
using Mesh.Client.Telemetry;
using Mesh.Client.Transport;
using Mesh.Discovery;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Runtime.Resilience;
using Mesh.Discovery.Security;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Mesh.Client;

/// <summary>The services of the outbound half. Every step may be taken again.</summary>
internal static class MeshRegistration
{
    public static void Add(IServiceCollection services, Action<MeshOptions>? configure)
    {
        if (configure is not null)
        {
            services.AddSingleton(new ConfigureMesh(configure));
        }

        if (services.Any(static service => service.ServiceType == typeof(MeshRuntime)))
        {
            return;
        }

        services.AddHttpClient();
        services.AddMetrics();
        services.AddLogging();
        services.AddOptions();
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<IRandomSource>(SystemRandomSource.Instance);
        AddRuntime(services);
        AddPipeline(services);
        AddClients(services);
    }

    /// <summary>Meshes every client of the factory that does not say otherwise.</summary>
    public static void MeshAllClients(IServiceCollection services) =>
        services.TryAddSingleton<AllClientsAreMeshed>();

    private static void AddRuntime(IServiceCollection services)
    {
        services.AddSingleton<MeshSetup>();
        services.AddSingleton(static provider => provider.GetRequiredService<MeshSetup>().Options);
        services.AddSingleton(static provider => new MeshCertificates(
            provider.GetRequiredService<MeshSetup>().CreateCertificateSource(),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<IRandomSource>(),
            provider.GetRequiredService<ILogger<MeshCertificates>>(),
            provider.GetRequiredService<IMeterFactory>()));
        services.AddSingleton(static provider =>
        {
            // Before the rules, with which is told what is wrong with it.
            provider.GetRequiredService<MeshCertificates>();
            var setup = provider.GetRequiredService<MeshSetup>();
            var catalogs = setup.CreateCatalogs();
            var runtime = new MeshRuntime(
                setup.Options,
                setup.CreateSources(),
                catalogs,
                provider.GetRequiredService<LoadBalancerFactory>().Names,
                provider.GetRequiredService<TimeProvider>(),
                provider.GetRequiredService<IRandomSource>(),
                provider.GetRequiredService<IMeterFactory>(),
                provider.GetRequiredService<ILogger<MeshRuntime>>(),
                provider.GetRequiredService<ApplicationPipelines>().Names);
            runtime.Resilience.Prober = provider.GetRequiredService<IEndpointProber>();
            return runtime;
        });
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, MeshHostedService>());
        services.AddHealthChecks().AddCheck<MeshHealthCheck>("mesh", tags: ["ready"]);
    }

    private static void AddPipeline(IServiceCollection services)
    {
        services.TryAddSingleton<IEndpointHandlerFactory, SocketsEndpointHandlerFactory>();
        services.AddSingleton<Agenda>();
        services.AddSingleton(static provider => new TlsFiles(provider.GetRequiredService<MeshSetup>().ContentRoot));
        services.AddSingleton<TlsDialer>();
        services.AddSingleton<EndpointTransport>();
        services.AddSingleton<IEndpointProber, EndpointProber>();
        services.AddSingleton<LoadBalancerFactory>();
        services.AddSingleton<PickerCache>();
        services.AddSingleton<AttemptTimeouts>();
        services.AddSingleton<IdleLimits>();
        services.AddSingleton<MeshClientTelemetry>();
        services.AddSingleton<FaultInjector>();
        services.AddSingleton<MirrorSender>();
        services.AddSingleton<RouteStage>();
        services.AddSingleton<DestinationFinder>();
        services.AddSingleton<PassThroughSender>();
        services.AddSingleton<RetryGate>();
        services.AddSingleton<CircuitBreakers>();
        services.AddSingleton<ApplicationPipelines>();
        services.AddSingleton<RoutePasses>();
        services.AddSingleton<AttemptSender>();
        services.AddSingleton<HedgeSender>();
        services.AddSingleton<MeshPipeline>();
    }

    private static void AddClients(IServiceCollection services)
    {
        services.AddSingleton<MeshedClients>();
        services.AddSingleton<IConfigureOptions<HttpClientFactoryOptions>, ConfigureMeshedClient>();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHttpMessageHandlerBuilderFilter, MeshHandlerFilter>());
    }
}
