using System.Net;
using System.Security.Claims;
using Mesh.Discovery;
using Mesh.Discovery.Security;
using Mesh.Server.Security;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Server.Tests.Security;

public sealed class MeshPeerTests
{
    [Theory]
    [InlineData("spiffe://cluster.local/ns/prod/sa/reviews", "cluster.local", "prod", "reviews", null)]
    [InlineData("spiffe://1234.consul/ns/default/dc/dc1/svc/web", "1234.consul", "default", null, "web")]
    [InlineData("spiffe://example.org/any/other", "example.org", null, null, null)]
    public void CreatePrincipal_Any_HasTheIdentityAsClaims(string id, string domain, string? ns, string? account, string? service)
    {
        var principal = new MeshPeer(SpiffeId.Parse(id), null).CreatePrincipal();

        Assert.Equal(id, principal.Identity!.Name);
        Assert.Equal(MeshPeer.AuthenticationScheme, principal.Identity.AuthenticationType);
        Assert.Equal(domain, principal.FindFirstValue(MeshPeer.TrustDomainClaim));
        Assert.Equal(ns, principal.FindFirstValue(MeshPeer.NamespaceClaim));
        Assert.Equal(account, principal.FindFirstValue(MeshPeer.ServiceAccountClaim));
        Assert.Equal(service, principal.FindFirstValue(MeshPeer.ServiceClaim));
        Assert.Null(principal.FindFirstValue(MeshPeer.GatewayClaim));
    }

    [Fact]
    public async Task AddMeshPeer_Policy_LetsInTheWorkloadItNames()
    {
        await using var app = await SecureApp.StartAsync(MtlsMode.Permissive, build: static builder =>
        {
            builder.Services.AddAuthentication().AddMeshPeer().AddCookie();
            builder.Services.AddAuthorization(static options => options.AddPolicy("productpage", static policy => policy
                .AddAuthenticationSchemes(MeshPeer.AuthenticationScheme)
                .RequireClaim(MeshPeer.ServiceAccountClaim, "productpage")));
            builder.Services.AddSingleton<IStartupFilter>(new ForWorkloads());
        });

        Assert.Equal("yes", await app.TlsClient(app.GoodLeaf()).GetStringAsync("/workloads"));
        Assert.Equal(HttpStatusCode.Forbidden, (await app.TlsClient(app.GoodLeaf("details")).GetAsync("/workloads")).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await app.PlainClient().GetAsync("/workloads")).StatusCode);
    }

    private sealed class ForWorkloads : IStartupFilter
    {
        public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
        {
            app.UseRouting();
            app.UseAuthentication();
            app.UseAuthorization();
            app.UseEndpoints(static endpoints => endpoints.MapGet("/workloads", static () => "yes").RequireAuthorization("productpage"));
            next(app);
        };
    }
}
