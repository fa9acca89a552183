namespace Mesh.Discovery.Rules;

/// <summary>How connections to endpoints are secured (Istio: ClientTLSSettings). Compared by value.</summary>
internal sealed record TlsSettingsConfig
{
    /// <summary>Null where no rule says it: then endpoints do that say that they speak mTLS, by the mesh's own certificate.</summary>
    public TlsMode? Mode { get; init; }

    /// <summary>Who may answer: SPIFFE IDs or other URIs, DNS names. Empty: who the service is by its name.</summary>
    public IReadOnlyList<string> SubjectAltNames { get; init; } = [];

    /// <summary>The name that the callee is told. Null: the host of the service.</summary>
    public string? Sni { get; init; }

    /// <summary>A file with roots. Null: those of the system.</summary>
    public string? CaCertificates { get; init; }

    /// <summary>A file with the certificate that is shown, and its intermediates.</summary>
    public string? ClientCertificate { get; init; }

    /// <summary>A file with its private key.</summary>
    public string? PrivateKey { get; init; }

    /// <summary>Whether anybody may answer.</summary>
    public bool InsecureSkipVerify { get; init; }

    public bool Equals(TlsSettingsConfig? other) =>
        other is not null && Mode == other.Mode && Sni == other.Sni && CaCertificates == other.CaCertificates
        && ClientCertificate == other.ClientCertificate && PrivateKey == other.PrivateKey && InsecureSkipVerify == other.InsecureSkipVerify
        && SubjectAltNames.SequenceEqual(other.SubjectAltNames, StringComparer.Ordinal);

    public override int GetHashCode() => HashCode.Combine(Mode, Sni, CaCertificates, ClientCertificate, PrivateKey, SubjectAltNames.Count);
}

/// <summary>What is spoken to an endpoint (Istio: TLSmode).</summary>
internal enum TlsMode
{
    /// <summary>Plaintext.</summary>
    Disable,

    /// <summary>TLS; the callee has a certificate, the caller shows none.</summary>
    Simple,

    /// <summary>TLS, and the caller shows a certificate from files.</summary>
    Mutual,

    /// <summary>TLS with the certificates of the mesh on both sides (Istio: ISTIO_MUTUAL).</summary>
    Mesh,
}
