using Mesh.Client;
using Mesh.Discovery;
using Mesh.Server.Admin;
using Mesh.Server.Inbound;
using Mesh.Server.Registration;
using Mesh.Server.Security.Jwt;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;

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
            services.AddSingleton<MeshServerTelemetry>();
            services.AddSingleton<InboundDeadlines>();
            services.AddSingleton<InboundAdmission>();
            services.AddSingleton<JwtStage>();

            // First of all filters, so that its middleware comes before what others put in front, such as the one that
            // ASPNETCORE_FORWARDEDHEADERS_ENABLED adds, which rewrites the peer's address.
            services.Insert(0, ServiceDescriptor.Singleton<IStartupFilter, MeshStartupFilter>());
            services.AddHostedService<RegistrationService>();
            services.AddHealthChecks().AddCheck<DrainHealthCheck>("mesh-drain", tags: ["ready"]);
        }

        return ((IHostApplicationBuilder)builder).AddServiceMesh(configure);
    }
}
