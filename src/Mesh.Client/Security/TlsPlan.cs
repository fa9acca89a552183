using Mesh.Discovery;
using Mesh.Discovery.Consul;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Security;

namespace Mesh.Client.Security;

/// <summary>What the connections of one endpoint's transport speak, and who may answer. Immutable.</summary>
internal sealed class TlsPlan
{
    private static readonly TlsSettingsConfig s_noSettings = new();

    public required TlsMode Mode { get; init; }

    /// <summary>How messages name who is called: <c>reviews.prod</c>.</summary>
    public required string Callee { get; init; }

    /// <summary>Who may answer: one of these. Empty where the name in the certificate decides.</summary>
    public IReadOnlyList<string> Names { get; init; } = [];

    /// <summary>The name that the callee is told, and that is looked for in its certificate. Null: the one in the request's address.</summary>
    public string? Host { get; init; }

    public TlsSettingsConfig Settings { get; init; } = s_noSettings;

    /// <summary>Of the mode <see cref="TlsMode.Mesh"/>: whom to show and whom to believe; null if that is not there yet.</summary>
    public PeerTrust? Trust { get; init; }

    /// <summary>Why no connection can be made at all.</summary>
    public TlsObstacle? Obstacle { get; init; }

    /// <summary>Whether only the endpoint's own address says that TLS is spoken: then the handler does it for requests to https.</summary>
    public bool IsOfAddress { get; init; }

    /// <summary>Whether protocols are negotiated. Consul's own sidecars agree to whatever they are offered, and pass on bytes.</summary>
    public bool Negotiates { get; init; } = true;

    /// <summary>Whether files are used, which may change.</summary>
    public bool UsesFiles => Settings.CaCertificates is not null || Settings.ClientCertificate is not null;

    /// <summary>TLS as an address with https wants it.</summary>
    public static TlsPlan OfAddress(Uri address, string callee) => new()
    {
        Mode = TlsMode.Simple,
        Callee = callee,
        Host = address.DnsSafeHost,
        IsOfAddress = true,
    };

    /// <summary>By the rule, or by what the endpoint says of itself.</summary>
    public static TlsMode ModeOf(EndpointState endpoint, SecurityOptions options, MeshCertificates certificates) =>
        endpoint.Tls?.Mode
        ?? (endpoint.Endpoint.SpeaksMtls && options.AutoMtls && certificates.IsOn ? TlsMode.Mesh
            : endpoint.Endpoint.Address.Scheme == Uri.UriSchemeHttps ? TlsMode.Simple
            : TlsMode.Disable);

    /// <summary>The plan for an endpoint; null for plaintext.</summary>
    public static TlsPlan? Of(EndpointState endpoint, TlsMode mode, SecurityOptions options, MeshCertificates certificates)
    {
        if (mode == TlsMode.Disable)
        {
            return null;
        }

        var service = endpoint.Service;
        if (mode == TlsMode.Simple && endpoint.Tls is not { Mode: not null } and not { SubjectAltNames.Count: > 0 })
        {
            return OfAddress(endpoint.Endpoint.Address, service.ToString());
        }

        var settings = endpoint.Tls ?? s_noSettings;
        var host = settings.Sni ?? (service.Host.StartsWith('*') ? null : service.Host);
        if (mode != TlsMode.Mesh)
        {
            return new TlsPlan { Mode = mode, Callee = service.ToString(), Host = host, Settings = settings, Names = settings.SubjectAltNames };
        }

        var trust = certificates.Current;
        var names = settings.SubjectAltNames.Count > 0 || trust is null
            ? settings.SubjectAltNames
            : IdentitiesOf(service, endpoint.Endpoint, trust.Set.Id, options);
        return new TlsPlan
        {
            Mode = mode,
            Callee = service.ToString(),
            Host = host,
            Settings = settings,
            Names = names,
            Trust = trust,
            Negotiates = endpoint.Endpoint.Consul is not { IsProxy: true },
            Obstacle = !certificates.IsOn ? new TlsObstacle(TlsReasons.NoSource, "the mode MESH needs certificates: set Mesh:Security:Certificates:Source")
                : trust is null ? new TlsObstacle(TlsReasons.NoOwnCertificate, "this process has no certificate yet")
                : names.Count == 0 ? new TlsObstacle(
                    TlsReasons.NoExpectation, $"it is not known who {service} is: name its identities in subjectAltNames of its DestinationRule or ServiceEntry")
                : null,
        };
    }

    /// <summary>Who a service is by its name: of the form that the own identity has.</summary>
    private static IReadOnlyList<string> IdentitiesOf(ServiceName service, Endpoint endpoint, SpiffeId own, SecurityOptions options)
    {
        if (own.ConsulService is not null)
        {
            if (ConsulServiceName.From(service) is not { } inConsul)
            {
                return [];
            }

            var datacenter = inConsul.Datacenter ?? (endpoint.Consul?.Node.Datacenter is { Length: > 0 } known ? known : own.Datacenter);
            return [$"spiffe://{own.TrustDomain}/ns/{own.Namespace}/dc/{datacenter}/svc/{inConsul.Service}"];
        }

        return service.IsExternal
            ? []
            : [.. options.TrustDomainAliases.Prepend(own.TrustDomain).Distinct(StringComparer.Ordinal)
                .Select(domain => $"spiffe://{domain}/ns/{service.Namespace}/sa/{service.Name}")];
    }
}

/// <summary>Why no connection can be made.</summary>
/// <param name="Reason">A word for metrics.</param>
/// <param name="Detail">The same for people.</param>
internal sealed record TlsObstacle(string Reason, string Detail);

/// <summary>The values of the tag <c>mesh.reason</c> of handshakes beyond <see cref="PeerReasons"/>.</summary>
internal static class TlsReasons
{
    public const string NoSource = "no-certificate-source";
    public const string NoOwnCertificate = "no-own-certificate";
    public const string OwnExpired = "own-certificate-expired";
    public const string NoExpectation = "no-expected-identity";
    public const string File = "unusable-file";
    public const string WrongName = "wrong-name";

    /// <summary>The other side, or the network.</summary>
    public const string Handshake = "handshake";
}
