using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Mesh.Discovery.Security;

namespace Mesh.Testing;

/// <summary>An authority for tests: a root, on demand an intermediate, and leaves of every sort, good and bad.</summary>
internal sealed class TestAuthority
{
    public const string DefaultTrustDomain = "cluster.local";

    private static readonly Oid s_serverUsage = new("1.3.6.1.5.5.7.3.1");
    private static readonly Oid s_clientUsage = new("1.3.6.1.5.5.7.3.2");
    private static readonly TimeSpan s_skew = TimeSpan.FromMinutes(5);

    private readonly X509Certificate2 _signer;
    private readonly DateTimeOffset _now;

    /// <param name="trustDomain">The trust domain that it vouches for.</param>
    /// <param name="now">The time of the test; that of the machine if it is not given.</param>
    public TestAuthority(string trustDomain = DefaultTrustDomain, DateTimeOffset? now = null)
    {
        TrustDomain = trustDomain;
        _now = now ?? TimeProvider.System.GetUtcNow();
        Root = _signer = CreateAuthority($"CN=root of {trustDomain} {Guid.NewGuid():n}", null);
    }

    /// <summary>One below another.</summary>
    /// <param name="parent">The one above.</param>
    /// <param name="now">When it is made, if not when the other was.</param>
    public TestAuthority(TestAuthority parent, DateTimeOffset? now = null)
    {
        TrustDomain = parent.TrustDomain;
        _now = now ?? parent._now;
        Root = parent.Root;
        _signer = CreateAuthority($"CN=intermediate of {TrustDomain} {Guid.NewGuid():n}", parent._signer);
        Intermediates = [.. parent.Intermediates, Public(_signer)];
    }

    public string TrustDomain { get; }

    /// <summary>The present, as the authority has it.</summary>
    public DateTimeOffset Now => _now;

    public X509Certificate2 Root { get; }

    public IReadOnlyList<X509Certificate2> Intermediates { get; } = [];

    public TrustBundle Bundle => new(TrustDomain, [Public(Root)]);

    /// <summary>An authority below this one.</summary>
    public TestAuthority CreateIntermediate() => new(this);

    public SpiffeId Id(string service, string @namespace = "default") => SpiffeId.Create(TrustDomain, @namespace, service);

    /// <summary>What a good process has.</summary>
    public CertificateSet Set(string service, string @namespace = "default", IEnumerable<TrustBundle>? bundles = null, TimeSpan? lifetime = null) =>
        new(Leaf([Id(service, @namespace).ToString()], lifetime: lifetime), Intermediates, bundles ?? [Bundle]);

    /// <summary>A leaf with its private key.</summary>
    /// <param name="uris">The URIs of its SAN.</param>
    /// <param name="notBefore">From the test's present; five minutes ago if it is not given.</param>
    /// <param name="lifetime">From the test's present; an hour if it is not given.</param>
    /// <param name="isServer">Whether it may be a server.</param>
    /// <param name="isClient">Whether it may be a client.</param>
    /// <param name="rsaBits">An RSA key of so many bits and not ECDSA P-256.</param>
    /// <param name="isAuthority">Whether it says that it is an authority itself.</param>
    /// <param name="keyUsage">What its key may do; sign handshakes if it is not given.</param>
    /// <param name="dnsNames">The DNS names of its SAN.</param>
    public X509Certificate2 Leaf(
        string[] uris,
        TimeSpan? notBefore = null,
        TimeSpan? lifetime = null,
        bool isServer = true,
        bool isClient = true,
        int? rsaBits = null,
        bool isAuthority = false,
        X509KeyUsageFlags keyUsage = X509KeyUsageFlags.DigitalSignature,
        string[]? dnsNames = null)
    {
        using var rsa = rsaBits is { } bits ? RSA.Create(bits) : null;
        using var ec = rsaBits is null ? ECDsa.Create(ECCurve.NamedCurves.nistP256) : null;
        var request = rsa is not null
            ? new CertificateRequest("CN=leaf", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : new CertificateRequest("CN=leaf", ec!, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isAuthority, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(keyUsage, true));
        var usages = new OidCollection();
        if (isServer)
        {
            usages.Add(s_serverUsage);
        }

        if (isClient)
        {
            usages.Add(s_clientUsage);
        }

        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(usages, false));
        if (uris.Length > 0 || dnsNames is { Length: > 0 })
        {
            var names = new SubjectAlternativeNameBuilder();
            foreach (var uri in uris)
            {
                names.AddUri(new Uri(uri));
            }

            foreach (var name in dnsNames ?? [])
            {
                names.AddDnsName(name);
            }

            request.CertificateExtensions.Add(names.Build());
        }

        var serial = RandomNumberGenerator.GetBytes(16);
        var from = _now + (notBefore ?? -s_skew);
        var to = _now + (lifetime ?? TimeSpan.FromHours(1));
        using var bare = request.Create(_signer.SubjectName, X509SignatureGenerator.CreateForECDsa(_signer.GetECDsaPrivateKey()!), from, to, serial);
        using var withKey = rsa is not null ? bare.CopyWithPrivateKey(rsa) : bare.CopyWithPrivateKey(ec!);

        // Through PKCS#12, since TLS on some systems refuses keys that never were in a store.
        return X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pkcs12), null);
    }

    /// <summary>One that is signed by a certificate that is not of an authority.</summary>
    public static X509Certificate2 SignedBy(X509Certificate2 signer, string uri, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=stolen", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddUri(new Uri(uri));
        request.CertificateExtensions.Add(names.Build());
        using var bare = request.Create(
            signer.SubjectName, X509SignatureGenerator.CreateForECDsa(signer.GetECDsaPrivateKey()!), now - s_skew, now + s_skew,
            RandomNumberGenerator.GetBytes(16));
        using var withKey = bare.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pkcs12), null);
    }

    /// <summary>One that nobody else has signed.</summary>
    public static X509Certificate2 SelfSigned(string uri, DateTimeOffset? now = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=self", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddUri(new Uri(uri));
        request.CertificateExtensions.Add(names.Build());
        var present = now ?? TimeProvider.System.GetUtcNow();
        using var made = request.CreateSelfSigned(present - s_skew, present + TimeSpan.FromHours(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }

    private static X509Certificate2 Public(X509Certificate2 certificate) => X509CertificateLoader.LoadCertificate(certificate.RawData);

    private X509Certificate2 CreateAuthority(string name, X509Certificate2? parent)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        var (from, to) = (_now - TimeSpan.FromDays(1), _now + TimeSpan.FromDays(365));
        if (parent is null)
        {
            return request.CreateSelfSigned(from, to);
        }

        using var bare = request.Create(
            parent.SubjectName, X509SignatureGenerator.CreateForECDsa(parent.GetECDsaPrivateKey()!), from, to, RandomNumberGenerator.GetBytes(16));
        return bare.CopyWithPrivateKey(key);
    }
}
