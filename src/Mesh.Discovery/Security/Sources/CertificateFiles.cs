using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Mesh.Discovery.Security.Sources;

/// <summary>Certificates in PEM files, as somebody else puts them there. Immutable.</summary>
internal sealed class CertificateFiles
{
    private const int MaxFile = 4 * 1024 * 1024;

    private readonly string _certificate;
    private readonly string _key;
    private readonly string _roots;
    private readonly (string TrustDomain, string Path)[] _others;

    public CertificateFiles(FileCertificateOptions options, string contentRoot)
    {
        _certificate = Path.GetFullPath(options.Certificate, contentRoot);
        _key = Path.GetFullPath(options.Key, contentRoot);
        _roots = Path.GetFullPath(options.Roots, contentRoot);
        _others = [.. options.OtherRoots.Select(other => (other.Key.ToLowerInvariant(), Path.GetFullPath(other.Value, contentRoot)))];
    }

    /// <summary>The file of the private key, if it is there and others than its owner may read or write it; with its mode.</summary>
    public string? OpenKey()
    {
        if (OperatingSystem.IsWindows() || !File.Exists(_key))
        {
            return null;
        }

        var target = File.ResolveLinkTarget(_key, returnFinalTarget: true)?.FullName ?? _key;
        var mode = File.GetUnixFileMode(target);
        const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
        return (mode & Others) != 0 ? $"{_key} (mode {Convert.ToString((int)mode, 8)})" : null;
    }

    /// <summary>Reads all files, without a look at what is in them.</summary>
    public Contents Read()
    {
        var texts = new Dictionary<string, string>(StringComparer.Ordinal);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        string? problem = null;
        foreach (var path in _others.Select(static other => other.Path).Prepend(_roots).Prepend(_key).Prepend(_certificate))
        {
            try
            {
                using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
                if (file.Length > MaxFile)
                {
                    throw new IOException($"it has {file.Length} bytes, {MaxFile} are allowed");
                }

                using var reader = new StreamReader(file, Encoding.UTF8);
                var text = texts[path] = reader.ReadToEnd();
                hash.AppendData(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                problem ??= e is FileNotFoundException or DirectoryNotFoundException ? $"{path}: there is no such file" : $"{path}: {e.Message}";
            }
        }

        hash.AppendData(Encoding.UTF8.GetBytes(problem ?? ""));
        return new Contents(texts, hash.GetHashAndReset(), problem);
    }

    /// <summary>Makes a set of what was read.</summary>
    /// <returns>The set; or the file and what is wrong with it.</returns>
    public (CertificateSet? Set, string? Problem) Load(Contents contents, TimeProvider time)
    {
        if (contents.Problem is { } problem)
        {
            return (null, problem);
        }

        var path = _certificate;
        try
        {
            var chain = PemText.Certificates(contents.Texts[_certificate]);
            path = _key;
            var leaf = PemText.WithKey(chain[0], contents.Texts[_key]);
            path = _certificate;
            var id = SubjectNames.IdOf(leaf, out var nameless) ?? throw new CryptographicException($"the first certificate {nameless}");
            path = _roots;
            var roots = new Dictionary<string, List<X509Certificate2>>(StringComparer.Ordinal)
            {
                [id.TrustDomain] = [.. PemText.Certificates(contents.Texts[_roots])],
            };
            foreach (var (domain, other) in _others)
            {
                path = other;
                var more = PemText.Certificates(contents.Texts[other]);
                if (!roots.TryAdd(domain, [.. more]))
                {
                    roots[domain].AddRange(more);
                }
            }

            path = _certificate;
            var set = new CertificateSet(leaf, chain[1..].Where(static one => !IsRoot(one)), roots.Select(static one => new TrustBundle(one.Key, one.Value)));
            return OwnCertificate.ProblemOf(set, time) is { } refused ? (null, $"{path}: {refused}") : (set, null);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            return (null, $"{path}: {e.Message}");
        }
    }

    private static bool IsRoot(X509Certificate2 certificate) =>
        certificate.SubjectName.RawData.AsSpan().SequenceEqual(certificate.IssuerName.RawData);

    /// <summary>What was in the files.</summary>
    /// <param name="Texts">By path.</param>
    /// <param name="Hash">Of all that was read; the texts themselves are not kept.</param>
    /// <param name="Problem">The first file that cannot be read, and why.</param>
    internal sealed record Contents(IReadOnlyDictionary<string, string> Texts, byte[] Hash, string? Problem);
}
