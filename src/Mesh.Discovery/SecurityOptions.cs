namespace Mesh.Discovery;

/// <summary>Who this process is, and whom it lets in: <c>Mesh:Security</c>.</summary>
public sealed class SecurityOptions
{
    /// <summary>
    /// What ports accept, where no <c>PeerAuthentication</c> document says otherwise. Default: <see cref="MtlsMode.Permissive"/> where a
    /// source of certificates is configured (Istio), else <see cref="MtlsMode.Disable"/>.
    /// </summary>
    public MtlsMode? Mode { get; set; }

    /// <summary>Modes of single ports, which go before <see cref="Mode"/>. Default: none.</summary>
    public IDictionary<int, MtlsMode> Ports { get; } = new Dictionary<int, MtlsMode>();

    /// <summary>
    /// The trust domain of identities that the mesh issues itself. Default <c>cluster.local</c> (Istio). Where certificates come from
    /// files or from Consul, theirs is used.
    /// </summary>
    public string TrustDomain { get; set; } = "cluster.local";

    /// <summary>
    /// Other names of the own trust domain (Istio: <c>trustDomainAliases</c>): principals of rules that are written with one of them
    /// mean the own one, and services may have identities of each. Default: none. <c>cluster.local</c> is always one, as in Istio.
    /// </summary>
    public IList<string> TrustDomainAliases { get; } = [];

    /// <summary>The service account in the process's identity. Default: the name of the service.</summary>
    public string ServiceAccount { get; set; } = "";

    /// <summary>Rules in this namespace hold for all namespaces. Default <c>istio-system</c> (Istio).</summary>
    public string RootNamespace { get; set; } = "istio-system";

    /// <summary>
    /// Whether calls use mTLS to endpoints that say they speak it, where no destination rule says otherwise (Istio: enableAutoMtls).
    /// Default true; without a source of certificates it means nothing.
    /// </summary>
    public bool AutoMtls { get; set; } = true;

    /// <summary>How paths are normalized before rules look at them. Default <see cref="PathNormalization.Base"/> (Istio).</summary>
    public PathNormalization PathNormalization { get; set; } = PathNormalization.Base;

    /// <summary>
    /// Gateways whose <c>X-Forwarded-Client-Cert</c> is believed, as principals (<c>cluster.local/ns/prod/sa/gateway</c>). From all
    /// others the header is taken off. Default: none.
    /// </summary>
    public IList<string> Gateways { get; } = [];

    /// <summary>Where the certificate comes from.</summary>
    public CertificateOptions Certificates { get; } = new();

    /// <summary>Whether the process has, or will have, an identity.</summary>
    internal bool IsOn => Certificates.Source.Length > 0;
}

/// <summary>What a port accepts (Istio: PeerAuthentication.MutualTLS.Mode).</summary>
public enum MtlsMode
{
    /// <summary>What comes is the application's, as without a mesh.</summary>
    Disable,

    /// <summary>mTLS, and plaintext on the same port, so that a fleet can move over while it runs.</summary>
    Permissive,

    /// <summary>mTLS with a certificate of a known trust domain; nothing else.</summary>
    Strict,
}

/// <summary>How paths are normalized before rules look at them (Istio: meshConfig.pathNormalization).</summary>
public enum PathNormalization
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>RFC 3986: dot segments are resolved, <c>\</c> is <c>/</c>, what need not be escaped is not.</summary>
    Base,

    /// <summary>That, and several slashes are one.</summary>
    MergeSlashes,

    /// <summary>That, and <c>%2F</c> and <c>%5C</c> are decoded first.</summary>
    DecodeAndMergeSlashes,
}

/// <summary>Where the certificate of the process comes from: <c>Mesh:Security:Certificates</c>.</summary>
public sealed class CertificateOptions
{
    /// <summary>
    /// <c>Development</c>, <c>Files</c>, <c>Consul</c>, or the name of an <see cref="Security.ICertificateSource"/> that is registered
    /// in code. Default: empty, no certificate and no mTLS.
    /// </summary>
    public string Source { get; set; } = "";

    /// <summary>The authority shared by the processes of one user on one machine.</summary>
    public DevelopmentCertificateOptions Development { get; } = new();

    /// <summary>Certificates that something else puts into files.</summary>
    public FileCertificateOptions Files { get; } = new();
}

/// <summary>The development authority: <c>Mesh:Security:Certificates:Development</c>.</summary>
public sealed class DevelopmentCertificateOptions
{
    /// <summary>
    /// The directory with the authority's key, readable by its owner only. Default: <c>mesh/authority</c> below the user's local
    /// application data.
    /// </summary>
    public string Path { get; set; } = "";

    /// <summary>How long a certificate is valid; it is renewed at half of that, with jitter. At least 2 s. Default 24 h (Istio).</summary>
    public TimeSpan Lifetime { get; set; } = TimeSpan.FromHours(24);
}

/// <summary>PEM files: <c>Mesh:Security:Certificates:Files</c>. Paths are relative to the content root.</summary>
public sealed class FileCertificateOptions
{
    /// <summary>The certificate, followed by its intermediates (cert-manager: <c>tls.crt</c>; Istio: <c>cert-chain.pem</c>).</summary>
    public string Certificate { get; set; } = "";

    /// <summary>The private key, without a password (cert-manager: <c>tls.key</c>; Istio: <c>key.pem</c>).</summary>
    public string Key { get; set; } = "";

    /// <summary>The roots of the certificate's own trust domain (cert-manager: <c>ca.crt</c>; Istio: <c>root-cert.pem</c>).</summary>
    public string Roots { get; set; } = "";

    /// <summary>Files with the roots of other trust domains, by trust domain. Default: none.</summary>
    public IDictionary<string, string> OtherRoots { get; } = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);

    /// <summary>How often the files are looked at. Default 1 s.</summary>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromSeconds(1);
}
