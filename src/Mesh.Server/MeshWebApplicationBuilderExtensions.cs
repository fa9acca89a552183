using Mesh.Client;
using Mesh.Discovery;
using Mesh.Discovery.Security;
using Mesh.Server.Admin;
using Mesh.Server.Inbound;
using Mesh.Server.Registration;
using Mesh.Server.Security;
using Mesh.Server.Security.Jwt;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Microsoft.Extensions.Hosting;

/// <summary>Puts a web application into the mesh.</summary>
public static class MeshWebApplicationBuilderExtensions
{
    /// <summary>
    /// Everything that <see cref="MeshHostApplicationBuilderExtensions.AddServiceMesh"/> does for outbound calls, and: the
    /// process registers itself when its server listens; on the way out it withdraws first, serves on for
    /// <see cref="DrainOptions.Delay"/> and then finishes what is in flight; <c>/mesh/health</c>, <c>/mesh/ready</c>,
    /// <c>/mesh/config</c> and <c>/mesh/endpoints</c> answer. No middleware has to be added.
    /// </summary>
    /// <param name="builder">The application's builder.</param>
    /// <param name="configure">Changes what the configuration says. Default: nothing.</param>
    /// <returns>For adding further parts.</returns>
    /// <remarks>Calling it again is harmless; each <paramref name="configure"/> runs.</remarks>
    public static IMeshBuilder AddServiceMesh(this WebApplicationBuilder builder, Action<MeshOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var services = builder.Services;
        if (!services.Any(static service => service.ServiceType == typeof(DrainState)))
        {
            services.AddSingleton<DrainState>();
            services.AddSingleton<MeshReport>();
            services.AddSingleton(static provider => new AdminGuard(
                provider.GetRequiredService<MeshOptions>().Admin,
                provider.GetRequiredService<MeshOptions>().Security,
                provider.GetRequiredService<MeshCertificates>()));
            services.AddSingleton<MeshServerTelemetry>();
            services.AddSingleton<InboundDeadlines>();
            services.AddSingleton<InboundAdmission>();
            services.AddSingleton<JwtStage>();
            services.AddSingleton<AuthorizationLog>();
            services.AddSingleton<AuthorizationStage>();

            AddSecurity(services);

            // First of all filters, so that its middleware comes before what others put in front, such as the one that
            // ASPNETCORE_FORWARDEDHEADERS_ENABLED adds, which rewrites the peer's address.
            services.Insert(0, ServiceDescriptor.Singleton<IStartupFilter, MeshStartupFilter>());
            services.AddHostedService<RegistrationService>();
            services.AddHealthChecks().AddCheck<DrainHealthCheck>("mesh-drain", tags: ["ready"]);
        }

        return ((IHostApplicationBuilder)builder).AddServiceMesh(configure);
    }

    private static void AddSecurity(IServiceCollection services)
    {
        services.AddSingleton<PortModes>();
        services.AddSingleton<TlsTelemetry>();
        services.AddSingleton<ConnectionRegister>();
        services.AddSingleton<ConnectionGate>();

        // Whoever adds Kestrel later only adds its transport if there is none, and would take ours for one.
        services.TryAddSingleton<IConnectionListenerFactory, SocketTransportFactory>();
        services.AddSingleton<IConnectionListenerFactory, MeshTransportFactory>();

        // Calls that go out with TLS of the mesh say http, as the application has written.
        services.AddOptions<KestrelServerOptions>()
            .Configure<MeshCertificates>(static (kestrel, certificates) => kestrel.AllowAlternateSchemes |= certificates.IsOn);
    }
}
