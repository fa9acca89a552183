using System.Security.Claims;
using Mesh.Discovery.Security;

namespace Mesh.Server.Security;

/// <summary>The workload that calls, as its certificate proves. Immutable; safe for concurrent use.</summary>
public sealed class MeshPeer
{
    /// <summary>The default name of the scheme that <c>AddMeshPeer</c> adds: <c>MeshPeer</c>.</summary>
    public const string AuthenticationScheme = "MeshPeer";

    /// <summary>The type of the claim with the whole SPIFFE ID, which is also the principal's name: <c>spiffe_id</c>.</summary>
    public const string IdClaim = "spiffe_id";

    /// <summary>The type of the claim with the trust domain: <c>trust_domain</c>.</summary>
    public const string TrustDomainClaim = "trust_domain";

    /// <summary>The type of the claim with the namespace: <c>namespace</c>.</summary>
    public const string NamespaceClaim = "namespace";

    /// <summary>The type of the claim with the service account of an identity of Istio's form: <c>service_account</c>.</summary>
    public const string ServiceAccountClaim = "service_account";

    /// <summary>The type of the claim with the service of an identity of Consul's form: <c>service</c>.</summary>
    public const string ServiceClaim = "service";

    /// <summary>The type of the claim with the gateway's SPIFFE ID, if one has forwarded the request: <c>gateway</c>.</summary>
    public const string GatewayClaim = "gateway";

    internal MeshPeer(SpiffeId id, SpiffeId? gateway)
    {
        Id = id;
        Gateway = gateway;
    }

    /// <summary>Who it is.</summary>
    public SpiffeId Id { get; }

    /// <summary>
    /// The gateway that has forwarded the request and vouches for <see cref="Id"/>; <see langword="null"/> if the caller's own
    /// certificate was shown.
    /// </summary>
    public SpiffeId? Gateway { get; }

    /// <summary>The same as claims, with the authentication type <c>MeshPeer</c>; a new one at each call.</summary>
    public ClaimsPrincipal CreatePrincipal() => CreatePrincipal(AuthenticationScheme);

    internal ClaimsPrincipal CreatePrincipal(string scheme)
    {
        var identity = new ClaimsIdentity(scheme, IdClaim, ClaimsIdentity.DefaultRoleClaimType);
        Add(identity, IdClaim, Id.ToString());
        Add(identity, TrustDomainClaim, Id.TrustDomain);
        Add(identity, NamespaceClaim, Id.Namespace);
        Add(identity, ServiceAccountClaim, Id.ServiceAccount);
        Add(identity, ServiceClaim, Id.ConsulService);
        Add(identity, GatewayClaim, Gateway?.ToString());
        return new ClaimsPrincipal(identity);
    }

    private static void Add(ClaimsIdentity identity, string type, string? value)
    {
        if (value is not null)
        {
            identity.AddClaim(new Claim(type, value));
        }
    }
}
