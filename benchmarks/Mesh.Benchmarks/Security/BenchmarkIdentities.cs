using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Mesh.Discovery.Security;
using Mesh.Testing;

namespace Mesh.Benchmarks.Security;

/// <summary>Who calls and who is called, for a run: ECDSA P-256, of one authority. Those of the callee are in files, for its process.</summary>
internal sealed class BenchmarkIdentities : IDisposable
{
    private const string Root = "root.pem";
    private const string Leaf = "reviews.pem";
    private const string Key = "reviews.key";

    public BenchmarkIdentities()
    {
        var authority = new TestAuthority();
        Caller = authority.Set("caller");
        Directory = System.IO.Directory.CreateTempSubdirectory("mesh-benchmarks-").FullName;
        using var leaf = authority.Leaf([authority.Id("reviews").ToString()], dnsNames: ["localhost"]);
        using var key = leaf.GetECDsaPrivateKey()!;
        File.WriteAllText(Path.Combine(Directory, Root), authority.Root.ExportCertificatePem());
        File.WriteAllText(Path.Combine(Directory, Leaf), leaf.ExportCertificatePem());
        File.WriteAllText(Path.Combine(Directory, Key), key.ExportPkcs8PrivateKeyPem());
    }

    /// <summary>The files of the callee; the directory is readable by this user only.</summary>
    public string Directory { get; }

    public CertificateSet Caller { get; }

    public static CertificateSet Callee(string directory)
    {
        using var bare = X509Certificate2.CreateFromPemFile(Path.Combine(directory, Leaf), Path.Combine(directory, Key));
        var leaf = X509CertificateLoader.LoadPkcs12(bare.Export(X509ContentType.Pkcs12), null);
        var root = X509CertificateLoader.LoadCertificateFromFile(Path.Combine(directory, Root));
        return new CertificateSet(leaf, [], [new TrustBundle(TestAuthority.DefaultTrustDomain, [root])]);
    }

    /// <summary>What a server wants that asks its callers for a certificate.</summary>
    public static SslServerAuthenticationOptions ServerOptions(CertificateSet identity) => new()
    {
        ServerCertificateContext = identity.Context,
        ClientCertificateRequired = true,
        CertificateChainPolicy = ChainPolicy(identity),
        RemoteCertificateValidationCallback = static (_, _, _, errors) => errors == SslPolicyErrors.None,
    };

    public static X509ChainPolicy ChainPolicy(CertificateSet identity)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(identity.Bundles.SelectMany(static bundle => bundle.Roots).ToArray());
        return policy;
    }

    public void Dispose() => System.IO.Directory.Delete(Directory, recursive: true);
}
