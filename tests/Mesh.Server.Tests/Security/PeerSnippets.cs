using Mesh.Server.Security;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Server.Tests.Security;

/// <summary>The code of docs/security.md.</summary>
internal static class PeerSnippets
{
    public static void Map(WebApplication app)
    {
        app.MapGet("/whoami", (HttpContext context) => context.GetMeshPeer()?.Id.ToString() ?? "nobody");
    }

    public static void AddPolicy(WebApplicationBuilder builder)
    {
        builder.Services.AddAuthentication().AddMeshPeer();
        builder.Services.AddAuthorization(options => options.AddPolicy("console", policy => policy
            .AddAuthenticationSchemes(MeshPeer.AuthenticationScheme)
            .RequireClaim(MeshPeer.ServiceAccountClaim, "console")));
    }
}
