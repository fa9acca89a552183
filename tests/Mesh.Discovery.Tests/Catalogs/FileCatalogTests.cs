using System.Runtime.Versioning;
using System.Text.Json;
using CsCheck;
using Mesh.Discovery.Catalogs;
using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Tests.Catalogs;

public sealed class FileCatalogTests : FileCatalogFixture
{
    [Fact]
    public async Task RegisterAsync_AnInstance_IsSeenWithEverythingThatItSays()
    {
        var endpoint = new Endpoint
        {
            Address = new Uri("https://10.1.2.3:8443"),
            Labels = new Labels([new("version", "v2"), new("tier", "\"gold\"\n")]),
            Weight = 7,
            Locality = new Locality("eu", "eu-1"),
            Health = EndpointHealth.Unhealthy,
            ServicePort = 80,
            SpeaksMtls = true,
        };

        await using var registration = await NewCatalog().RegisterAsync(
            new ServiceInstance("reviews-1", Reviews, endpoint), CancellationToken.None);
        View.Poll();

        Assert.Equal(endpoint, Assert.Single(Observer[Reviews]));
        Assert.Equal(1, Observer.SyncedCount);
        using var document = JsonDocument.Parse(File.ReadAllText(Assert.Single(Documents)));
        Assert.Equal("reviews-1", document.RootElement.GetProperty("id").GetString());
        Assert.Equal("prod", document.RootElement.GetProperty("namespace").GetString());
        Assert.Equal(Environment.ProcessId, document.RootElement.GetProperty("pid").GetInt32());
        Assert.Equal(Time.GetUtcNow(), document.RootElement.GetProperty("startedAt").GetDateTimeOffset());
    }

    [Fact]
    public async Task RegisterAsync_AnExternalService_KeepsItsHost()
    {
        var service = ServiceName.External("api.example.com");

        await using var registration = await Register("a", service, "http://10.0.0.1:80");
        View.Poll();

        Assert.Equal(["10.0.0.1"], Addresses(service));
    }

    [Fact]
    public async Task RegisterAsync_WhileItLives_KeepsTheDocumentFreshWithoutRewritingIt()
    {
        await using var registration = await Register("reviews-1", Reviews, "http://127.0.0.1:1");
        using var opened = File.OpenRead(Documents[0]);

        for (var second = 0; second < 60; second++)
        {
            PollFor(TimeSpan.FromSeconds(1));
            Assert.Equal(["127.0.0.1:1"], Addresses(Reviews));
        }

        Assert.Single(Observer.Changes);
        Assert.Equal(Time.GetUtcNow().UtcDateTime, File.GetLastWriteTimeUtc(Documents[0]));
        Assert.Equal(Time.GetUtcNow().UtcDateTime, File.GetLastWriteTimeUtc(opened.SafeFileHandle));
        Assert.Empty(Warnings);
    }

    [Fact]
    public async Task DisposeAsync_ARegistration_WithdrawsItAtOnceAndForGood()
    {
        var registration = await Register("reviews-1", Reviews, "http://127.0.0.1:1");
        View.Poll();

        await registration.DisposeAsync();
        await registration.DisposeAsync();
        View.Poll();

        Assert.Empty(Observer[Reviews]);
        PollFor(TimeSpan.FromSeconds(10));
        Assert.Empty(Directory.GetFileSystemEntries(Root));
    }

    [Fact]
    public async Task Heartbeat_DocumentOrDirectoryDeleted_WritesItAnew()
    {
        await using var registration = await Register("reviews-1", Reviews, "http://127.0.0.1:1");
        File.Delete(Assert.Single(Documents));

        Time.Advance(Options.HeartbeatInterval);
        Assert.Single(Documents);
        Directory.Delete(Root, recursive: true);
        Time.Advance(Options.HeartbeatInterval);

        Assert.Single(Documents);
        Assert.Equal(2, Warnings.Count(static text => text.StartsWith("Somebody deleted", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Heartbeat_DirectoryBecameAFile_IsLoggedOnceAndRecovers()
    {
        await using var registration = await Register("reviews-1", Reviews, "http://127.0.0.1:1");
        Directory.Delete(Root, recursive: true);
        File.WriteAllText(Root, "in the way");

        Time.Advance(5 * Options.HeartbeatInterval);
        Assert.Single(Warnings, static text => text.StartsWith("The heartbeat of", StringComparison.Ordinal));
        File.Delete(Root);
        Time.Advance(Options.HeartbeatInterval);

        Assert.Single(Documents);
        Assert.Contains(Logger.Collector.GetSnapshot(), static log => log.Message.Contains("works again", StringComparison.Ordinal));
    }

    [Fact]
    public async Task RegisterAsync_IdOfALivingInstance_IsRefused()
    {
        await using var registration = await Register("same", Reviews, "http://127.0.0.1:1");

        var exception = await Assert.ThrowsAsync<IOException>(() => Register("same", Reviews, "http://127.0.0.1:2"));

        Assert.Contains("same id is alive", exception.Message, StringComparison.Ordinal);
        Assert.Single(Directory.GetFileSystemEntries(Root));
        await using var other = await Register("same", Ratings, "http://127.0.0.1:2");
        Assert.Equal(2, Documents.Length);
    }

    [Fact]
    public async Task RegisterAsync_IdOfADeadInstance_TakesItsPlace()
    {
        await using (await Register("same", Reviews, "http://127.0.0.1:1"))
        {
            File.Copy(Documents[0], Documents[0] + ".kept");
        }

        File.Move(Directory.GetFiles(Root, "*.kept")[0], Directory.GetFiles(Root, "*.kept")[0].Replace(".kept", ""));
        Time.Advance(TimeSpan.FromMinutes(1));

        await using var registration = await Register("same", Reviews, "http://127.0.0.1:2");
        View.Poll();

        Assert.Equal(["127.0.0.1:2"], Addresses(Reviews));
    }

    [Theory]
    [InlineData("ftp://127.0.0.1:1", "'address'")]
    [InlineData("http://127.0.0.1:1/path", "'address'")]
    public async Task RegisterAsync_WhatOthersWouldRefuse_IsRefused(string address, string reason)
    {
        var instance = Instance("x", Reviews, "http://127.0.0.1:1");
        instance = instance with { Endpoint = instance.Endpoint with { Address = new Uri(address), Weight = -1 } };

        if (address.StartsWith("ftp", StringComparison.Ordinal))
        {
            var exception = await Assert.ThrowsAsync<ArgumentException>(
                async () => await NewCatalog().RegisterAsync(instance, CancellationToken.None));
            Assert.Contains(reason, exception.Message, StringComparison.Ordinal);
            Assert.Contains("'weight' is -1", exception.Message, StringComparison.Ordinal);
        }
        else
        {
            // Only scheme, host and port are ever written.
            await using var registration = await NewCatalog().RegisterAsync(
                instance with { Endpoint = instance.Endpoint with { Weight = 1 } }, CancellationToken.None);
            View.Poll();
            Assert.Equal(["127.0.0.1:1"], Addresses(Reviews));
        }
    }

    [Fact]
    public async Task RegisterAsync_TooManyLabels_IsRefused()
    {
        var instance = Instance("x", Reviews, "http://127.0.0.1:1", version: new string('v', FileCatalogDocument.MaxBytes));

        var exception = await Assert.ThrowsAsync<ArgumentException>(
            async () => await NewCatalog().RegisterAsync(instance, CancellationToken.None));

        Assert.Contains("65536 are allowed", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FileName_AnyIdAndService_StaysInTheDirectoryAndIsUnique()
    {
        var names = new Dictionary<string, (string Id, string Host)>();
        string[] hostile = ["..", "../../etc/passwd", "/", "a/b", "a\\b", "C:", "con", ".hidden", "\0", new string('x', 5000), "A", "a"];

        var text = Gen.OneOf(Gen.Int[0, hostile.Length - 1].Select(index => hostile[index]), Gen.String[1, 300]);
        Gen.Select(text, text)
            .Sample(
                (id, host) =>
                {
                    var instance = Instance(id, ServiceName.External(host), "http://127.0.0.1:1");
                    var name = FileCatalogDirectory.FileName(instance);
                    Assert.Matches("^[A-Za-z0-9_-]{1,110}\\.json$", name);
                    lock (names)
                    {
                        Assert.Equal((id, instance.Service.Host), names.TryAdd(name, (id, instance.Service.Host))
                            ? (id, instance.Service.Host)
                            : names[name]);
                    }
                },
                iter: 2000);
    }

    [Fact]
    [UnsupportedOSPlatform("windows")]
    public async Task RegisterAsync_OnUnix_IsForTheOwnerAlone()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Unix permissions");
        Directory.Delete(Root);

        await using var registration = await Register("x", Reviews, "http://127.0.0.1:1");

        Assert.Equal("700", Convert.ToString((int)File.GetUnixFileMode(Root), 8));
        Assert.Equal("600", Convert.ToString((int)File.GetUnixFileMode(Documents[0]), 8));
        Assert.Empty(Warnings);
    }

    [Fact]
    [UnsupportedOSPlatform("windows")]
    public async Task RegisterAsync_NamedDirectoryThatOthersMayWriteTo_Warns()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Unix permissions");
        File.SetUnixFileMode(Root, File.GetUnixFileMode(Root) | UnixFileMode.GroupWrite);

        await using var registration = await Register("x", Reviews, "http://127.0.0.1:1");

        Assert.Contains("chmod 700", Assert.Single(Warnings), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("mesh")]
    [InlineData("mesh/catalog")]
    [UnsupportedOSPlatform("windows")]
    public void PrepareDefault_DirectoryThatOthersMayWriteTo_IsRefused(string writable)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Unix permissions");
        var directory = FileCatalogDirectory.PrepareDefault(Root, Root);
        Assert.Equal(Path.Combine(Root, "mesh", "catalog"), directory);
        Assert.Equal("700", Convert.ToString((int)File.GetUnixFileMode(directory), 8));
        File.SetUnixFileMode(Path.Combine(Root, writable), UnixFileMode.UserRead | UnixFileMode.UserWrite
            | UnixFileMode.UserExecute | UnixFileMode.OtherWrite);

        var exception = Assert.Throws<IOException>(() => FileCatalogDirectory.PrepareDefault(Root, Root));

        Assert.Contains("mode 702", exception.Message, StringComparison.Ordinal);
        Assert.Contains("Mesh:Discovery:File:Path", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void PrepareDefault_SymbolicLink_IsRefused()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Unix permissions");
        var elsewhere = Directory.CreateDirectory(Path.Combine(Root, "elsewhere"));
        Directory.CreateSymbolicLink(Path.Combine(Root, "mesh"), elsewhere.FullName);

        var exception = Assert.Throws<IOException>(() => FileCatalogDirectory.PrepareDefault(Root, Root));

        Assert.Contains("symbolic link", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void PrepareDefault_NoUsableHome_FallsBackToTheTemporaryDirectoryUnlessRoot()
    {
        File.WriteAllText(Path.Combine(Root, "file"), "");

        foreach (var home in new[] { "", Path.Combine(Root, "file") })
        {
            if (!OperatingSystem.IsWindows() && Environment.IsPrivilegedProcess)
            {
                var exception = Assert.Throws<IOException>(() => FileCatalogDirectory.PrepareDefault(home, Root));
                Assert.Contains("Mesh:Discovery:File:Path", exception.Message, StringComparison.Ordinal);
            }
            else
            {
                var directory = FileCatalogDirectory.PrepareDefault(home, Root);
                Assert.Equal("catalog", Path.GetFileName(directory));
                Assert.StartsWith(Path.Combine(Root, "mesh-"), directory, StringComparison.Ordinal);
                Assert.True(Directory.Exists(directory));
            }
        }
    }

    [Fact]
    public void Constructor_OptionsOutOfRange_NamesAll()
    {
        Options.PollInterval = TimeSpan.Zero;
        Options.HeartbeatInterval = TimeSpan.FromDays(1);
        Options.Expiry = TimeSpan.FromSeconds(1);

        var exception = Assert.Throws<ArgumentException>(NewCatalog);

        Assert.Contains("PollInterval is 00:00:00", exception.Message, StringComparison.Ordinal);
        Assert.Contains("HeartbeatInterval is 1.00:00:00", exception.Message, StringComparison.Ordinal);
        Assert.Contains("Expiry is 00:00:01", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Validate_Defaults_AreFineAndStayAsDocumented()
    {
        var options = new FileCatalogOptions();

        Assert.Empty(FileCatalog.Validate(options));
        Assert.Equal(TimeSpan.FromMilliseconds(250), options.PollInterval);
        Assert.Equal(TimeSpan.FromSeconds(1), options.HeartbeatInterval);
        Assert.Equal(TimeSpan.FromSeconds(5), options.Expiry);
        Assert.Equal("", options.Path);
    }

    [Fact]
    public async Task WatchAsync_UntilCancelled_PollsAndEndsQuietly()
    {
        using var stop = new CancellationTokenSource();
        var catalog = NewCatalog();
        await using var registration = await Register("a", Reviews, "http://127.0.0.1:1");

        var watch = catalog.WatchAsync(Observer, stop.Token);
        await Observer.FirstSync.Task;
        await using var second = await Register("b", Reviews, "http://127.0.0.1:2");
        while (Observer[Reviews].Count < 2)
        {
            Assert.False(watch.IsCompleted);
            Time.Advance(Options.PollInterval);
            await Task.Yield();
        }

        await stop.CancelAsync();
        await watch;
        Assert.Equal("File", catalog.Name);
        Assert.DoesNotContain(Logger.Collector.GetSnapshot(), static log => log.Level >= LogLevel.Warning);
    }

    [Fact]
    public async Task WatchAsync_WithRealTimeAndManyWriters_EndsWithAllOfThem()
    {
        using var stop = new CancellationTokenSource();
        var catalog = new FileCatalog(
            new FileCatalogOptions { Path = Root, PollInterval = TimeSpan.FromMilliseconds(10) }, Root, TimeProvider.System, Logger);
        var all = new WaitingObserver(service => service == Reviews, count: 40);
        var watch = catalog.WatchAsync(all, stop.Token);

        var registrations = await Task.WhenAll(Enumerable.Range(1, 40).Select(number => Task.Run(async () =>
            await catalog.RegisterAsync(Instance($"r{number}", Reviews, $"http://127.0.0.1:{number}"), CancellationToken.None))));
        await all.Reached;
        all.WaitFor(0);
        await Task.WhenAll(registrations.Select(static registration => registration.DisposeAsync().AsTask()));
        await all.Reached;

        await stop.CancelAsync();
        await watch;
        Assert.Empty(Warnings);
    }

    private sealed class WaitingObserver(Func<ServiceName, bool> filter, int count) : ICatalogObserver
    {
        private readonly Lock _lock = new();
        private TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _count = count;
        private int _now;

        public Task Reached
        {
            get
            {
                lock (_lock)
                {
                    return _reached.Task;
                }
            }
        }

        public void WaitFor(int count)
        {
            lock (_lock)
            {
                _count = count;
                _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
                Check();
            }
        }

        public void ServiceChanged(ServiceName service, IReadOnlyList<Endpoint> endpoints)
        {
            if (filter(service))
            {
                lock (_lock)
                {
                    _now = endpoints.Count;
                    Check();
                }
            }
        }

        public void Synced()
        {
        }

        private void Check()
        {
            if (_now == _count)
            {
                _reached.TrySetResult();
            }
        }
    }
}
