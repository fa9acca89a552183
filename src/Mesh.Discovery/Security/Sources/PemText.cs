using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Mesh.Discovery.Security.Sources;

/// <summary>Reads PEM texts strictly: what is cut short or damaged is refused, where the runtime takes what it can read.</summary>
internal static class PemText
{
    private const string Begin = "-----BEGIN ";
    private const string CertificateLabel = "CERTIFICATE";

    /// <summary>All certificates of a text, in its order; at least one.</summary>
    /// <exception cref="CryptographicException">There is none, or one cannot be read.</exception>
    public static X509Certificate2[] Certificates(string text)
    {
        var certificates = new List<X509Certificate2>();
        foreach (var (label, block) in Blocks(text))
        {
            if (label == CertificateLabel)
            {
                certificates.Add(X509Certificate2.CreateFromPem(block));
            }
        }

        return certificates.Count > 0 ? [.. certificates] : throw new CryptographicException("it holds no PEM certificate");
    }

    /// <summary>The certificate with the private key of a text.</summary>
    /// <exception cref="CryptographicException">There is no key, or it cannot be read, or is another one.</exception>
    public static X509Certificate2 WithKey(X509Certificate2 certificate, string text)
    {
        var labels = Blocks(text).Select(static block => block.Label).ToArray();
        if (labels.Any(static label => label.StartsWith("ENCRYPTED", StringComparison.Ordinal))
            || text.Contains("Proc-Type: 4,ENCRYPTED", StringComparison.Ordinal))
        {
            throw new CryptographicException("the private key is encrypted; one without a password is wanted");
        }

        if (!labels.Any(static label => label.EndsWith("PRIVATE KEY", StringComparison.Ordinal)))
        {
            throw new CryptographicException("it holds no PEM private key");
        }

        using var isRsa = certificate.GetRSAPublicKey();
        try
        {
            if (isRsa is not null)
            {
                using var rsa = RSA.Create();
                rsa.ImportFromPem(text);
                return PrivateKeys.Attach(certificate, rsa);
            }

            using var ec = ECDsa.Create();
            ec.ImportFromPem(text);
            return PrivateKeys.Attach(certificate, ec);
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            throw new CryptographicException("the private key is not that of the certificate", e);
        }
    }

    private static List<(string Label, string Block)> Blocks(string text)
    {
        var blocks = new List<(string, string)>();
        var rest = text.AsSpan();
        var begun = 0;
        for (var at = text.IndexOf(Begin, StringComparison.Ordinal); at >= 0; at = text.IndexOf(Begin, at + 1, StringComparison.Ordinal))
        {
            begun++;
        }

        while (PemEncoding.TryFind(rest, out var fields))
        {
            blocks.Add((rest[fields.Label].ToString(), rest[fields.Location].ToString()));
            rest = rest[fields.Location.End..];
        }

        return begun == blocks.Count ? blocks : throw new CryptographicException("it is cut short or damaged: not each PEM block has its end");
    }
}
