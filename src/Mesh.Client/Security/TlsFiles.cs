using System.Collections.Concurrent;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Mesh.Client.Security;

/// <summary>
/// The PEM files that rules name. They are looked at for each new connection, and read again when they have changed. Safe for
/// concurrent use.
/// </summary>
internal sealed class TlsFiles(string contentRoot)
{
    private readonly ConcurrentDictionary<string, (FileMark Mark, X509Certificate2Collection Roots)> _roots = new(StringComparer.Ordinal);

    private readonly ConcurrentDictionary<(string, string), (FileMark Certificate, FileMark Key, SslStreamCertificateContext Context)> _shown = new();

    /// <summary>The certificates in a file.</summary>
    /// <exception cref="AuthenticationException">It cannot be used.</exception>
    public X509Certificate2Collection Roots(string path) => Use("caCertificates", path, file =>
    {
        var mark = FileMark.Of(file);
        if (_roots.TryGetValue(file, out var known) && known.Mark == mark)
        {
            return known.Roots;
        }

        var roots = Certificates(file);
        _roots[file] = (mark, roots);
        return roots;
    });

    /// <summary>A certificate with its intermediates and its private key.</summary>
    /// <exception cref="AuthenticationException">One of the files cannot be used.</exception>
    public SslStreamCertificateContext Shown(string certificatePath, string keyPath) => Use("clientCertificate", certificatePath, certificateFile =>
        Use("privateKey", keyPath, keyFile =>
        {
            var (certificate, key) = (FileMark.Of(certificateFile), FileMark.Of(keyFile));
            if (_shown.TryGetValue((certificateFile, keyFile), out var known) && known.Certificate == certificate && known.Key == key)
            {
                return known.Context;
            }

            var chain = Certificates(certificateFile);
            using var bare = X509Certificate2.CreateFromPem(File.ReadAllText(certificateFile), File.ReadAllText(keyFile));

            // Through PKCS#12, since TLS on some systems refuses keys that never were in a store.
            var leaf = X509CertificateLoader.LoadPkcs12(bare.Export(X509ContentType.Pkcs12), null);
            var context = SslStreamCertificateContext.Create(leaf, [.. chain.Skip(1)], offline: true);
            _shown[(certificateFile, keyFile)] = (certificate, key, context);
            return context;
        }));

    private static X509Certificate2Collection Certificates(string file)
    {
        var certificates = new X509Certificate2Collection();
        certificates.ImportFromPemFile(file);
        return certificates.Count > 0 ? certificates : throw new CryptographicException("there is no certificate in it");
    }

    private T Use<T>(string field, string path, Func<string, T> use)
    {
        var file = Path.Combine(contentRoot, path);
        try
        {
            return use(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException or NotSupportedException)
        {
            throw new AuthenticationException($"the file '{file}' ({field} of the destination's tls) cannot be used: {e.Message}", e);
        }
    }

    /// <summary>What tells a version of a file from another one, also where a link is set to another file (Kubernetes' mounts).</summary>
    private readonly record struct FileMark(string Target, long Length, DateTime Written)
    {
        public static FileMark Of(string path)
        {
            var file = File.ResolveLinkTarget(path, returnFinalTarget: true) as FileInfo ?? new FileInfo(path);
            return new FileMark(file.FullName, file.Length, file.LastWriteTimeUtc);
        }
    }
}
