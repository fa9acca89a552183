using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Mesh.Discovery.Security.Sources;

/// <summary>Puts certificates and private keys together so that TLS can use them on every system.</summary>
internal static class PrivateKeys
{
    /// <exception cref="ArgumentException">The key does not fit the certificate.</exception>
    public static X509Certificate2 Attach(X509Certificate2 certificate, ECDsa key) => Usable(certificate.CopyWithPrivateKey(key));

    /// <exception cref="ArgumentException">The key does not fit the certificate.</exception>
    public static X509Certificate2 Attach(X509Certificate2 certificate, RSA key) => Usable(certificate.CopyWithPrivateKey(key));

    /// <summary>From PEM texts, of which the first may hold more certificates.</summary>
    /// <exception cref="CryptographicException">They cannot be read, or do not fit.</exception>
    public static X509Certificate2 Load(string certificate, string key) => Usable(X509Certificate2.CreateFromPem(certificate, key));

    /// <summary>TLS on Windows and macOS takes no keys that exist in memory only, as they come from PEM.</summary>
    private static X509Certificate2 Usable(X509Certificate2 certificate)
    {
        if (!OperatingSystem.IsWindows() && !OperatingSystem.IsMacOS())
        {
            return certificate;
        }

        using (certificate)
        {
            var store = certificate.Export(X509ContentType.Pkcs12);
            try
            {
                return X509CertificateLoader.LoadPkcs12(store, null);
            }
            finally
            {
                CryptographicOperations.ZeroMemory(store);
            }
        }
    }
}
