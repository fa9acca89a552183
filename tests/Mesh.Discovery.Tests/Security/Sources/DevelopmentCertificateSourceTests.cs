using System.Runtime.Versioning;
using System.Security.Cryptography.X509Certificates;
using Mesh.Discovery.Security;
using Mesh.Discovery.Security.Sources;
using Mesh.Discovery.Tests.Routing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace Mesh.Discovery.Tests.Security.Sources;

public sealed class DevelopmentCertificateSourceTests : IAsyncDisposable
{
    private const UnixFileMode OthersMayRead = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead;

    private static readonly DateTimeOffset s_start = new(2041, 5, 6, 7, 8, 9, 250, TimeSpan.Zero);
    private static readonly TimeSpan s_day = TimeSpan.FromDays(1);

    private readonly string _root = Path.Combine(Path.GetTempPath(), $"mesh-authority-{Guid.NewGuid():N}");
    private readonly FakeLogCollector _logs = new();
    private readonly List<SourceRun> _runs = [];

    private string Authority => Path.Combine(_root, "authority");

    public async ValueTask DisposeAsync()
    {
        foreach (var run in _runs)
        {
            await run.DisposeAsync();
        }

        if (Directory.Exists(_root))
        {
            Directory.Delete(_root, recursive: true);
        }
    }

    [Fact]
    public async Task WatchAsync_FirstProcess_MakesARootAndACertificate()
    {
        var run = await StartAsync("web");

        var set = run.Current;
        Assert.Equal("spiffe://cluster.local/ns/default/sa/web", set.Id.ToString());
        Assert.Equal(s_start.AddDays(1).AddMilliseconds(750), set.NotAfter);
        Assert.Equal(s_start.AddMinutes(-1).AddMilliseconds(-250), set.NotBefore);
        Assert.Equal("cluster.local", Assert.Single(set.Bundles).TrustDomain);
        Assert.Null(OwnCertificate.ProblemOf(set, run.Time));
        Assert.Null(run.Verify(set).Reason);

        var constraints = Assert.Single(set.Leaf.Extensions.OfType<X509BasicConstraintsExtension>());
        Assert.True(constraints is { CertificateAuthority: false, Critical: true });
        Assert.Equal(X509KeyUsageFlags.DigitalSignature, Assert.Single(set.Leaf.Extensions.OfType<X509KeyUsageExtension>()).KeyUsages);
        Assert.Equal(
            [TlsUsages.Server.Value, TlsUsages.Client.Value],
            Assert.Single(set.Leaf.Extensions.OfType<X509EnhancedKeyUsageExtension>()).EnhancedKeyUsages.Cast<System.Security.Cryptography.Oid>().Select(static usage => usage.Value));
        using var key = set.Leaf.GetECDsaPrivateKey();
        Assert.Equal(256, key!.KeySize);
        Assert.DoesNotContain(_logs.GetSnapshot(), static log => log.Message.Contains("PRIVATE", StringComparison.Ordinal));
        Assert.False(set.Bundles[0].Roots[0].HasPrivateKey);
    }

    [Fact]
    [UnsupportedOSPlatform("windows")]
    public async Task WatchAsync_Files_AreTheOwnersAlone()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Unix permissions");
        await StartAsync("web");

        Assert.Equal("700", Convert.ToString((int)File.GetUnixFileMode(Authority), 8));
        Assert.Equal("600", Convert.ToString((int)File.GetUnixFileMode(Assert.Single(Directory.GetFiles(Authority))), 8));
    }

    [Fact]
    public async Task WatchAsync_ManyProcessesAtOnce_HaveOneRoot()
    {
        using var gate = new Barrier(12);
        var runs = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => Task.Factory.StartNew(
            () =>
            {
                gate.SignalAndWait();
                return StartAsync($"web-{i}");
            },
            TestContext.Current.CancellationToken,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default).Unwrap()));

        Assert.EndsWith("root-000001.pem", Assert.Single(Directory.GetFileSystemEntries(Authority)), StringComparison.Ordinal);
        Assert.Single(runs.Select(static run => Assert.Single(Assert.Single(run.Current.Bundles).Roots).Thumbprint).Distinct());
        Assert.All(runs, one => Assert.All(runs, other => Assert.Null(one.Verify(other.Current).Reason)));
    }

    [Theory]
    [InlineData(0.0, 40)]
    [InlineData(0.5, 50)]
    [InlineData(0.999, 60)]
    public async Task WatchAsync_HalfOfTheLife_RenewsWithJitter(double random, int seconds)
    {
        var run = await StartAsync("web", TimeSpan.FromSeconds(100), random: random);
        while (run.Published.Count == 1)
        {
            await run.Time.StepAsync();
        }

        Assert.InRange((run.Now - s_start).TotalSeconds, seconds - 0.1, seconds + 1.1);
        Assert.NotEqual(run.Published[0].Leaf.SerialNumber, run.Published[1].Leaf.SerialNumber);
        Assert.Equal(run.Published[0].Bundles[0].Roots[0].Thumbprint, run.Published[1].Bundles[0].Roots[0].Thumbprint);
    }

    [Fact]
    public async Task WatchAsync_ShortestLife_IsAlwaysValid()
    {
        var (one, other) = (await StartAsync("web", TimeSpan.FromSeconds(2)), await StartAsync("api", TimeSpan.FromSeconds(2)));

        for (var i = 0; i < 40; i++)
        {
            await Task.WhenAll(one.Time.StepAsync(), other.Time.StepAsync());
            Assert.InRange((one.Current.NotAfter - one.Now).TotalSeconds, 0.5, 3);
            Assert.Null(one.Verify(other.Current).Reason);
        }

        Assert.InRange(one.Published.Count, 20, 41);
    }

    [Fact]
    public async Task WatchAsync_RootGrowsOld_EachSuccessorIsTrustedBeforeItSigns()
    {
        var life = TimeSpan.FromSeconds(90);
        var (one, other) = (await StartAsync("web", TimeSpan.FromSeconds(10), life), await StartAsync("api", TimeSpan.FromSeconds(10), life));
        var first = one.Current.Bundles[0].Roots[0];
        TimeSpan? trusted = null;
        TimeSpan? signs = null;
        TimeSpan? forgotten = null;
        while (forgotten is null)
        {
            var until = one.Now + TimeSpan.FromMilliseconds(500);
            await Task.WhenAll(UntilAsync(one, until), UntilAsync(other, until));
            Assert.Null(one.Verify(other.Current).Reason);
            Assert.Null(other.Verify(one.Current).Reason);
            var passed = one.Now - s_start;
            trusted ??= one.Current.Bundles[0].Roots.Count == 2 ? passed : null;
            signs ??= one.Current.Leaf.Issuer != first.Subject ? passed : null;
            forgotten ??= !one.Current.Bundles[0].Roots.Contains(first) ? passed : null;
            Assert.True(passed < 2 * life);
        }

        Assert.InRange(trusted!.Value.TotalSeconds, 59, 62);
        Assert.InRange(signs!.Value.TotalSeconds, 64, 75);
        Assert.InRange(forgotten.Value.TotalSeconds, 89, 92);
        Assert.Equal(2, Directory.GetFiles(Authority).Length);
    }

    [Fact]
    public async Task WatchAsync_DirectoryIsDeleted_ProcessesGoOnWithANewRoot()
    {
        var (one, other) = (await StartAsync("web"), await StartAsync("api"));
        var old = one.Current.Bundles[0].Roots[0];
        await Task.WhenAll(one.Time.StepAsync(20), other.Time.StepAsync(20));
        Directory.Delete(Authority, recursive: true);

        for (var i = 0; i < 20; i++)
        {
            await Task.WhenAll(one.Time.StepAsync(), other.Time.StepAsync());
            Assert.Null(one.Verify(other.Current).Reason);
            Assert.Null(other.Verify(one.Current).Reason);
        }

        Assert.Single(Directory.GetFiles(Authority));
        var root = Assert.Single(one.Current.Bundles[0].Roots);
        Assert.NotEqual(old.Thumbprint, root.Thumbprint);
        Assert.Equal(root.Subject, one.Current.Leaf.Issuer);
        Assert.Equal(root.Thumbprint, Assert.Single(other.Current.Bundles[0].Roots).Thumbprint);
    }

    [Fact]
    public async Task WatchAsync_RootThatIsReplacedInPlace_IsFollowed()
    {
        var run = await StartAsync("web");
        var file = Assert.Single(Directory.GetFiles(Authority));
        await File.WriteAllTextAsync(file, DevelopmentRoot.Write(1, run.Now.AddMinutes(-1), s_day), TestContext.Current.CancellationToken);
        File.SetLastWriteTimeUtc(file, s_start.UtcDateTime);
        await run.Time.StepAsync();

        Assert.Equal(2, run.Current.Bundles[0].Roots.Count);
        Assert.Equal(run.Current.Bundles[0].Roots[0].Subject, run.Current.Leaf.Issuer);
        await run.Time.StepAsync(11);
        Assert.Single(run.Current.Bundles[0].Roots);
    }

    [Fact]
    public async Task WatchAsync_WhatACrashLeft_IsHealed()
    {
        PrivateDirectory.Create(Authority);
        var root = DevelopmentRoot.Write(1, s_start, s_day);
        var half = Path.Combine(Authority, "root-000001.pem");
        var temporary = Path.Combine(Authority, "abc.mesh-tmp");
        await File.WriteAllTextAsync(half, root[..(root.Length / 2)], TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(temporary, root[..9], TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(Path.Combine(Authority, "root-x.pem"), "no number", TestContext.Current.CancellationToken);
        MakePrivate(half);
        File.SetLastWriteTimeUtc(temporary, File.GetLastWriteTimeUtc(half).AddMinutes(-2));

        var run = await StartAsync("web");
        await run.Time.StepAsync(3);

        Assert.Single(run.Current.Bundles[0].Roots);
        Assert.False(File.Exists(temporary));
        Assert.True(File.Exists(Path.Combine(Authority, "root-000002.pem")));
        Assert.Contains("root-000001.pem is not used", Assert.Single(Warnings()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task WatchAsync_RootThatOthersMayRead_IsNotTrusted()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Unix permissions");
        PrivateDirectory.Create(Authority);
        var open = Path.Combine(Authority, "root-000007.pem");
        await File.WriteAllTextAsync(open, DevelopmentRoot.Write(7, s_start, s_day), TestContext.Current.CancellationToken);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(open, OthersMayRead);
        }

        var run = await StartAsync("web");

        Assert.StartsWith("CN=mesh development root 8 ", Assert.Single(run.Current.Bundles[0].Roots).Subject, StringComparison.Ordinal);
        Assert.Contains("others may read", Assert.Single(Warnings()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task WatchAsync_DirectoryOfOthers_IsRefused()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Unix permissions");
        PrivateDirectory.Create(Path.Combine(_root, "elsewhere"));
        Directory.CreateSymbolicLink(Authority, Path.Combine(_root, "elsewhere"));

        var link = await Assert.ThrowsAsync<IOException>(() => StartAsync("web"));
        Directory.Delete(Authority);
        PrivateDirectory.Create(Authority);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(Authority, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.OtherWrite);
        }

        var open = await Assert.ThrowsAsync<IOException>(() => StartAsync("web"));

        Assert.Contains("of the development authority is refused: it is a symbolic link", link.Message, StringComparison.Ordinal);
        Assert.Contains("mode 702", open.Message, StringComparison.Ordinal);
        Assert.Contains("Mesh:Security:Certificates:Development:Path", open.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Constants_AreAsDocumented()
    {
        Assert.Equal(TimeSpan.FromSeconds(1), DevelopmentCertificateSource.PollInterval);
        Assert.Equal(TimeSpan.FromSeconds(5), DevelopmentCertificateSource.Settle);
        Assert.Equal(TimeSpan.FromSeconds(10), DevelopmentCertificateSource.Grace);
        Assert.Equal(TimeSpan.FromDays(365), DevelopmentCertificateSource.RootLifetime);
        Assert.Equal(TimeSpan.FromHours(24), new DevelopmentCertificateOptions().Lifetime);
    }

    private async Task<SourceRun> StartAsync(string service, TimeSpan? lifetime = null, TimeSpan? rootLifetime = null, double random = 0.5)
    {
        var time = new LoopTime(s_start);
        var source = new DevelopmentCertificateSource(
            SpiffeId.Create("cluster.local", "default", service), Authority, lifetime ?? s_day, time, new FixedRandom(0, random),
            new FakeLogger(_logs), rootLifetime);
        var run = await SourceRun.StartAsync(source, time);
        lock (_runs)
        {
            _runs.Add(run);
        }

        return run;
    }

    private string[] Warnings() => [.. _logs.GetSnapshot().Where(static log => log.Level >= LogLevel.Warning).Select(static log => log.Message)];

    private static async Task UntilAsync(SourceRun run, DateTimeOffset until)
    {
        while (run.Now < until)
        {
            await run.Time.StepAsync();
        }
    }

    private static void MakePrivate(string file)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
    }
}
