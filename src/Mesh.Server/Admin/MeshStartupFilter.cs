using Mesh.Discovery.Security;
using Mesh.Server.Inbound;
using Mesh.Server.Security;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;

namespace Mesh.Server.Admin;

/// <summary>Puts the mesh's middleware before everything that the application adds.</summary>
internal sealed class MeshStartupFilter(MeshCertificates certificates) : IStartupFilter
{
    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        if (certificates.IsOn)
        {
            app.UseMiddleware<PeerMiddleware>();
        }

        app.UseMiddleware<MeshMiddleware>();

        // After the mesh's own endpoints, which no limit and no deadline keeps from answering.
        app.UseMiddleware<InboundMiddleware>();
        next(app);
    };
}
