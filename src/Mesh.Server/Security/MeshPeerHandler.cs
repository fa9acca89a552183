using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Mesh.Server.Security;

/// <summary>Takes the calling workload for the user, where a policy asks for it.</summary>
internal sealed class MeshPeerHandler(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    protected override Task<AuthenticateResult> HandleAuthenticateAsync() => Task.FromResult(Context.GetMeshPeer() is { } peer
        ? AuthenticateResult.Success(new AuthenticationTicket(peer.CreatePrincipal(Scheme.Name), Scheme.Name))
        : AuthenticateResult.NoResult());
}
