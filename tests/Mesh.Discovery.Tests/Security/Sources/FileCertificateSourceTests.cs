using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Mesh.Discovery.Security;
using Mesh.Discovery.Security.Sources;
using Mesh.Testing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace Mesh.Discovery.Tests.Security.Sources;

public sealed class FileCertificateSourceTests : IAsyncDisposable
{
    private static readonly DateTimeOffset s_start = new(2041, 5, 6, 7, 8, 9, TimeSpan.Zero);

    private readonly string _root = Path.Combine(Path.GetTempPath(), $"mesh-pem-{Guid.NewGuid():N}");
    private readonly FakeLogCollector _logs = new();
    private readonly LoopTime _time = new(s_start);
    private readonly TestAuthority _authority = new(now: s_start);
    private readonly FileCertificateOptions _options = new() { Certificate = "tls.crt", Key = "tls.key", Roots = "ca.crt" };
    private SourceRun? _run;

    public FileCertificateSourceTests() => Directory.CreateDirectory(_root);

    public async ValueTask DisposeAsync()
    {
        if (_run is not null)
        {
            await _run.DisposeAsync();
        }

        Directory.Delete(_root, recursive: true);
    }

    [Fact]
    public async Task WatchAsync_FilesBelowTheContentRoot_AreASet()
    {
        var other = new TestAuthority("other.test", s_start);
        var set = _authority.CreateIntermediate().Set("web");
        Write(set);
        Write("other.pem", Pem(other.Root));
        _options.OtherRoots["Other.Test"] = "other.pem";
        var run = await StartAsync();

        Assert.Equal(set.Leaf.RawData, run.Current.Leaf.RawData);
        Assert.True(run.Current.Leaf.HasPrivateKey);
        Assert.Equal(set.Intermediates[0].RawData, Assert.Single(run.Current.Intermediates).RawData);
        Assert.Equal(["cluster.local", "other.test"], run.Current.Bundles.Select(static bundle => bundle.TrustDomain));
        Assert.Null(run.Verify(other.Set("peer")).Reason);
        Assert.Empty(Logged());
    }

    [Theory]
    [InlineData("PKCS#8")]
    [InlineData("SEC 1")]
    [InlineData("PKCS#1")]
    public async Task WatchAsync_FormsOfKeys_AreRead(string form)
    {
        var leaf = form == "PKCS#1" ? _authority.Leaf([Own], rsaBits: 2048) : _authority.Leaf([Own]);
        Write(new CertificateSet(leaf, [], [_authority.Bundle]));
        using var ec = leaf.GetECDsaPrivateKey();
        using var rsa = leaf.GetRSAPrivateKey();
        Write("tls.key", form switch
        {
            "PKCS#8" => ec!.ExportPkcs8PrivateKeyPem(),
            "SEC 1" => "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + ec!.ExportECPrivateKeyPem(),
            _ => rsa!.ExportRSAPrivateKeyPem(),
        });

        var run = await StartAsync();

        Assert.Single(run.Published);
        await Handshake.OfServerAsync(new PeerTrust(_authority.Set("peer"), _time), run.Current.Context);
    }

    [Fact]
    public async Task WatchAsync_NewFiles_AreUsedOnceTheyAreSettled()
    {
        Write(_authority.Set("web"));
        var run = await StartAsync();
        await _time.StepAsync(3);
        var next = _authority.Set("web");
        Write(next);

        await _time.StepAsync();
        Assert.Single(run.Published);
        await _time.StepAsync(3);

        Assert.Equal(2, run.Published.Count);
        Assert.Equal(next.Leaf.RawData, run.Current.Leaf.RawData);
        Assert.Empty(Logged());
    }

    [Fact]
    public async Task WatchAsync_RootsAlone_AreFollowed()
    {
        var set = _authority.Set("web");
        Write(set);
        var run = await StartAsync();
        Write("ca.crt", Pem(_authority.Root, new TestAuthority(now: s_start).Root));
        await _time.StepAsync(2);

        Assert.Equal(2, run.Current.Bundles[0].Roots.Count);
        Assert.Equal(set.Leaf.RawData, run.Current.Leaf.RawData);
    }

    [Fact]
    public async Task WatchAsync_LinksThatAreSwapped_AreFollowed()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "mv -T");

        // As the kubelet does it: tls.crt -> ..data/tls.crt, ..data -> ..2041_05_06, and ..data is replaced by a rename.
        Mount("..1", _authority.Set("web"));
        foreach (var name in new[] { "tls.crt", "tls.key", "ca.crt" })
        {
            File.CreateSymbolicLink(Path.Combine(_root, name), Path.Combine("..data", name));
        }

        var run = await StartAsync();
        var next = _authority.Set("web");
        Mount("..2", next);
        Directory.Delete(Path.Combine(_root, "..1"), recursive: true);
        await _time.StepAsync(2);

        Assert.Equal(2, run.Published.Count);
        Assert.Equal(next.Leaf.RawData, run.Current.Leaf.RawData);
        Assert.Empty(Logged());

        void Mount(string name, CertificateSet set)
        {
            Write(set, name);
            var link = Path.Combine(_root, "..data_tmp");
            Directory.CreateSymbolicLink(link, name);
            using var rename = System.Diagnostics.Process.Start("mv", ["-T", link, Path.Combine(_root, "..data")]);
            rename.WaitForExit();
            Assert.Equal(0, rename.ExitCode);
        }
    }

    [Fact]
    public async Task WatchAsync_FilesThatAreBeingWritten_AreWaitedForInSilence()
    {
        Write(_authority.Set("web"));
        var run = await StartAsync();
        var next = _authority.Set("web");

        // Each look finds another state of the work.
        Write("tls.crt", Pem(next.Leaf)[..200]);
        await _time.StepAsync();
        Write("tls.crt", Pem(next.Leaf));
        await _time.StepAsync();
        Write("tls.key", Key(next.Leaf)[..50]);
        await _time.StepAsync();
        Write("tls.key", Key(next.Leaf));
        await _time.StepAsync();
        Assert.Single(run.Published);
        await _time.StepAsync();

        Assert.Equal(next.Leaf.RawData, run.Current.Leaf.RawData);
        Assert.Empty(Logged());
    }

    public static TheoryData<string, string, string> Bad() => new()
    {
        { "missing", "tls.key", "there is no such file" },
        { "cut", "ca.crt", "it is cut short or damaged: not each PEM block has its end" },
        { "damaged", "tls.crt", "" },
        { "empty", "tls.crt", "it holds no PEM certificate" },
        { "no key", "tls.key", "it holds no PEM private key" },
        { "encrypted", "tls.key", "the private key is encrypted; one without a password is wanted" },
        { "mismatch", "tls.key", "the private key is not that of the certificate" },
        { "expired", "tls.crt", "the certificate of spiffe://cluster.local/ns/default/sa/web has expired at 2041-05-06 07:07:09Z" },
        { "no id", "tls.crt", "the first certificate has no SPIFFE ID" },
        { "other root", "tls.crt", "no chain of certificates leads from it to one of the roots, which have to be self-signed" },
        { "other intermediate", "tls.crt", "an intermediate is missing" },
        { "not for servers", "tls.crt", "it needs the extended key usages of clients and of servers" },
    };

    [Theory]
    [MemberData(nameof(Bad))]
    public async Task WatchAsync_BadFiles_TheLastGoodSetStaysWithOneErrorEach(string what, string file, string problem)
    {
        var good = _authority.Set("web");
        Write(good);
        var run = await StartAsync();
        Spoil(what);

        await _time.StepAsync(5);

        Assert.Single(run.Published);
        var log = Assert.Single(Logged());
        Assert.Equal((158, LogLevel.Error), (log.Id.Id, log.Level));
        Assert.StartsWith($"The certificate files are not good, the last good ones stay in use: {Path.Combine(_root, file)}: ", log.Message, StringComparison.Ordinal);
        Assert.Contains(problem, log.Message, StringComparison.Ordinal);

        // Another trouble is told again, and so is the same one after a good time.
        Write("tls.crt", "nothing");
        await _time.StepAsync(3);
        Write(good);
        await _time.StepAsync(3);
        Write("tls.crt", "nothing");
        await _time.StepAsync(3);
        Assert.InRange(Logged().Length, 2, 3);
        Assert.Single(run.Published);
    }

    [Theory]
    [MemberData(nameof(Bad))]
    public async Task WatchAsync_BadFilesAtTheStart_AreToldOnceAndWaitedFor(string what, string file, string problem)
    {
        Write(_authority.Set("web"));
        Spoil(what);
        var run = await StartAsync();
        await _time.StepAsync(3);

        Assert.Empty(run.Published);
        var message = Assert.Single(Logged()).Message;
        Assert.StartsWith($"The certificate files are not good, this process has no certificate until they are: {Path.Combine(_root, file)}: ", message, StringComparison.Ordinal);
        Assert.Contains(problem, message, StringComparison.Ordinal);
        Write(_authority.Set("web"));
        await _time.StepAsync();
        Assert.Single(run.Published);
    }

    [Fact]
    public async Task WatchAsync_NotYetValid_IsUsedWhenItIs()
    {
        Write(_authority.Set("web"));
        var run = await StartAsync();
        Write(new CertificateSet(_authority.Leaf([Own], TimeSpan.FromSeconds(30)), [], [_authority.Bundle]));
        await _time.StepAsync(29);
        Assert.Single(run.Published);
        Assert.Contains("is not valid before 2041-05-06 07:08:39Z", Assert.Single(Logged()).Message, StringComparison.Ordinal);

        await _time.StepAsync(2);

        Assert.Equal(2, run.Published.Count);
    }

    [Fact]
    public async Task WatchAsync_KeyThatOthersMayRead_IsWarnedOfOnce()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Unix permissions");
        Write(_authority.Set("web"));
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(Path.Combine(_root, "tls.key"), UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        }

        var run = await StartAsync();
        File.Delete(Path.Combine(_root, "ca.crt"));
        Write("ca.crt", Pem(_authority.Root, new TestAuthority(now: s_start).Root));
        await _time.StepAsync(3);

        Assert.Equal(2, run.Published.Count);
        var log = Assert.Single(Logged());
        Assert.Equal((159, LogLevel.Warning), (log.Id.Id, log.Level));
        Assert.Contains("tls.key (mode 444)", log.Message, StringComparison.Ordinal);
    }

    private const string Own = "spiffe://cluster.local/ns/default/sa/web";

    private async Task<SourceRun> StartAsync() =>
        _run = await SourceRun.StartAsync(new FileCertificateSource(_options, _root, _time, new FakeLogger(_logs)), _time);

    private FakeLogRecord[] Logged()
    {
        Assert.DoesNotContain(_logs.GetSnapshot(), static log => log.Message.Contains("BEGIN", StringComparison.Ordinal));
        return [.. _logs.GetSnapshot()];
    }

    private void Spoil(string what)
    {
        var next = _authority.Set("web");
        switch (what)
        {
            case "missing":
                Write(next);
                File.Delete(Path.Combine(_root, "tls.key"));
                break;
            case "cut":
                Write("ca.crt", Pem(_authority.Root) + Pem(new TestAuthority(now: s_start).Root)[..300]);
                break;
            case "damaged":
                Write("tls.crt", Pem(next.Leaf).Remove(60, 4));
                break;
            case "empty":
                Write("tls.crt", "");
                break;
            case "no key":
                Write("tls.key", Pem(_authority.Root));
                break;
            case "encrypted":
                using (var key = next.Leaf.GetECDsaPrivateKey())
                {
                    Write(next);
                    Write("tls.key", key!.ExportEncryptedPkcs8PrivateKeyPem("secret", new PbeParameters(PbeEncryptionAlgorithm.Aes128Cbc, HashAlgorithmName.SHA256, 1000)));
                }

                break;
            case "mismatch":
                Write("tls.crt", Pem(next.Leaf));
                break;
            case "expired":
                Write(new CertificateSet(_authority.Leaf([Own], TimeSpan.FromMinutes(-9), TimeSpan.FromMinutes(-1)), [], [_authority.Bundle]));
                break;
            case "no id":
                var nameless = _authority.Leaf([]);
                Write("tls.crt", Pem(nameless));
                Write("tls.key", Key(nameless));
                break;
            case "other root":
                Write("ca.crt", Pem(new TestAuthority(now: s_start).Root));
                break;
            case "other intermediate":
                var intermediate = _authority.CreateIntermediate();
                var set = intermediate.Set("web");
                Write(set);
                Write("tls.crt", Pem([set.Leaf, .. _authority.CreateIntermediate().Intermediates]));
                break;
            case "not for servers":
                Write(new CertificateSet(_authority.Leaf([Own], isServer: false), [], [_authority.Bundle]));
                break;
            default:
                throw new ArgumentException(what);
        }
    }

    private void Write(CertificateSet set, string directory = "")
    {
        Directory.CreateDirectory(Path.Combine(_root, directory));
        Write(Path.Combine(directory, "tls.crt"), Pem([set.Leaf, .. set.Intermediates]));
        Write(Path.Combine(directory, "tls.key"), Key(set.Leaf));
        Write(Path.Combine(directory, "ca.crt"), Pem(_authority.Root));
    }

    private void Write(string name, string text)
    {
        var path = Path.Combine(_root, name);
        File.WriteAllText(path, text);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
    }

    private static string Pem(params X509Certificate2[] certificates) =>
        string.Concat(certificates.Select(static certificate => certificate.ExportCertificatePem() + "\n"));

    private static string Key(X509Certificate2 leaf)
    {
        using var ec = leaf.GetECDsaPrivateKey();
        using var rsa = leaf.GetRSAPrivateKey();
        return ((AsymmetricAlgorithm?)ec ?? rsa)!.ExportPkcs8PrivateKeyPem();
    }
}
