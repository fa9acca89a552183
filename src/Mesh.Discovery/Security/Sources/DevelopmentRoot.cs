using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Mesh.Discovery.Security.Sources;

/// <summary>A root of the development authority: its certificate and its key. Immutable.</summary>
internal sealed class DevelopmentRoot
{
    /// <summary>A clock that is set back a little must not make a fresh root invalid.</summary>
    private static readonly TimeSpan s_backdate = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan s_leafBackdate = TimeSpan.FromMinutes(1);
    private static readonly OidCollection s_usages = [TlsUsages.Server, TlsUsages.Client];

    private readonly ECDsa _key;

    private DevelopmentRoot(int generation, X509Certificate2 certificate, ECDsa key)
    {
        Generation = generation;
        Certificate = certificate;
        _key = key;
        NotAfter = new DateTimeOffset(certificate.NotAfter.ToUniversalTime());
        Created = new DateTimeOffset(certificate.NotBefore.ToUniversalTime()) + s_backdate;
    }

    /// <summary>The how-manieth it is, from 1.</summary>
    public int Generation { get; }

    /// <summary>The certificate without its key.</summary>
    public X509Certificate2 Certificate { get; }

    public DateTimeOffset Created { get; }

    public DateTimeOffset NotAfter { get; }

    /// <summary>Whether two thirds of its life are over, so that a successor is wanted.</summary>
    public bool IsOld(DateTimeOffset now) => now >= Created + ((NotAfter - Created) * (2.0 / 3));

    /// <summary>Makes one, as the text of its file.</summary>
    public static string Write(int generation, DateTimeOffset now, TimeSpan lifetime)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var name = $"CN=mesh development root {generation} {Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8))}";
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, true, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        using var certificate = request.CreateSelfSigned(Seconds(now) - s_backdate, Seconds(now) + lifetime);
        return $"{certificate.ExportCertificatePem()}\n{key.ExportPkcs8PrivateKeyPem()}\n";
    }

    /// <summary>Reads what <see cref="Write"/> has written.</summary>
    /// <exception cref="CryptographicException">The text is something else.</exception>
    public static DevelopmentRoot Read(int generation, string text)
    {
        using var both = X509Certificate2.CreateFromPem(text, text);
        if (both.Extensions.OfType<X509BasicConstraintsExtension>().FirstOrDefault() is not { CertificateAuthority: true })
        {
            throw new CryptographicException("the certificate is not that of an authority");
        }

        var key = both.GetECDsaPrivateKey() ?? throw new CryptographicException("the key is not an ECDSA key");
        return new DevelopmentRoot(generation, X509CertificateLoader.LoadCertificate(both.RawData), key);
    }

    /// <summary>A new key, and a certificate for it that is signed by this root and does not outlive it.</summary>
    public X509Certificate2 Issue(SpiffeId id, DateTimeOffset now, TimeSpan lifetime)
    {
        // Times in certificates are whole seconds. Short lives are not backdated by much, so that they stay short.
        var backdate = lifetime / 10 < s_leafBackdate ? lifetime / 10 : s_leafBackdate;
        var from = Seconds(now - backdate);
        var to = Seconds(now + lifetime + TimeSpan.FromSeconds(1) - TimeSpan.FromTicks(1));
        to = to < NotAfter ? to : NotAfter;
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("O=mesh development", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(s_usages, false));
        request.CertificateExtensions.Add(SubjectNames.Extension(id));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(Certificate, true, false));
        var serial = RandomNumberGenerator.GetBytes(16);
        serial[0] = (byte)((serial[0] & 0x7f) | 1);
        using var bare = request.Create(Certificate.SubjectName, X509SignatureGenerator.CreateForECDsa(_key), from, to, serial);
        return PrivateKeys.Attach(bare, key);
    }

    private static DateTimeOffset Seconds(DateTimeOffset time) => new(time.Ticks - (time.Ticks % TimeSpan.TicksPerSecond), time.Offset);
}
