using System.Collections.Concurrent;
using System.Diagnostics;
using Mesh.Discovery;
using Mesh.Discovery.Catalogs;
using Mesh.Discovery.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Server.Tests.Registration;

public sealed class RollingRestartTests : IDisposable
{
    private static readonly ServiceName s_service = new("reviews", "prod");

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("mesh-test-");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public async Task RollingRestart_UnderLoadWithScriptedTime_LosesNothing()
    {
        var apps = new List<MeshApp>();
        try
        {
            apps.Add(await StartAppAsync());
            apps.Add(await StartAppAsync());
            var time = new FakeTimeProvider(apps[0].Time.GetUtcNow());
            await using var client = new FollowingClient(Catalog(time), s_service, workers: 8);
            await client.Sees(2, static _ => true, AdvanceAll);
            client.Start();
            await client.FinishesRounds(5);

            for (var round = 0; round < 4; round++)
            {
                var leaving = apps[0];
                var address = new Uri(leaving.App.Urls.Single());
                var stop = leaving.App.StopAsync();
                await leaving.LogLine("Leaving: serving for another");

                // Only the poll is given time, not the drain: the callers see it in time, however slow the machine is.
                await client.Sees(1, uri => uri != address, () => time.Advance(TimeSpan.FromMilliseconds(1)));
                await client.FinishesRounds(2);
                await leaving.AdvanceUntil(stop);
                await leaving.DisposeAsync();
                apps.RemoveAt(0);

                apps.Add(await StartAppAsync());
                await client.Sees(2, static _ => true, AdvanceAll);
                await client.FinishesRounds(5);
            }

            Assert.Empty(client.Failures);
            Assert.True(client.Answers.Count >= 4, "Every instance took its share.");

            void AdvanceAll()
            {
                var step = TimeSpan.FromMilliseconds(50);
                time.Advance(step);
                apps.ForEach(app => app.Time.Advance(step));
            }
        }
        finally
        {
            foreach (var app in apps)
            {
                await app.DisposeAsync();
            }
        }
    }

    [Fact]
    public async Task RollingRestart_OfProcessesBySigterm_LosesNothing()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs SIGTERM");
        await using var client = new FollowingClient(Catalog(TimeProvider.System), s_service, workers: 8);
        var processes = new Queue<TestProcess>();
        try
        {
            for (var number = 0; number < 2; number++)
            {
                processes.Enqueue(StartProcess("00:00:05"));
                await client.Sees(number + 1, static _ => true);
            }

            client.Start();
            await client.FinishesRounds(5);
            for (var round = 0; round < 2; round++)
            {
                using var leaving = processes.Dequeue();
                leaving.Signal("TERM");
                await client.Sees(1, static _ => true);
                await leaving.Exited;
                Assert.Equal(0, leaving.ExitCode);
                processes.Enqueue(StartProcess("00:00:05"));
                await client.Sees(2, static _ => true);
                await client.FinishesRounds(5);
            }

            Assert.Empty(client.Failures);
            Assert.Equal(4, client.Answers.Count);
        }
        finally
        {
            foreach (var process in processes)
            {
                process.Dispose();
            }
        }
    }

    [Fact]
    public async Task RollingRestart_CalledByAMeshedClient_LosesNothing()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.AddServiceMesh(options =>
        {
            options.Service = "caller";
            options.Namespace = s_service.Namespace;
            options.Discovery.Providers.Add("File");
            options.Discovery.File.Path = _directory.FullName;
        });
        using var host = builder.Build();
        await host.StartAsync();
        var client = host.Services.GetRequiredService<IHttpClientFactory>().CreateClient();
        var processes = new Queue<TestProcess>();
        try
        {
            processes.Enqueue(StartProcess("00:00:03"));
            processes.Enqueue(StartProcess("00:00:03"));
            var runtime = host.Services.GetRequiredService<MeshRuntime>();
            await SeesAsync(2);
            using var stop = new CancellationTokenSource();
            var answers = 0;
            var load = Enumerable.Range(0, 8).Select(async _ =>
            {
                while (!stop.IsCancellationRequested)
                {
                    Assert.Equal("hello", await client.GetStringAsync("http://reviews/"));
                    Interlocked.Increment(ref answers);
                }
            }).ToArray();

            // With SIGTERM nothing is lost; with SIGKILL the client's own retries save what is idempotent.
            foreach (var signal in new[] { "TERM", "KILL" })
            {
                using var leaving = processes.Dequeue();
                leaving.Signal(signal);
                await leaving.Exited;
                await SeesAsync(1);
                processes.Enqueue(StartProcess("00:00:03"));

                // Not before the caller sees the new one may the next one go: there would be none left.
                await SeesAsync(2);
                var before = answers;
                while (answers < before + 100)
                {
                    await Task.WhenAll(load.Where(static task => task.IsCompleted));
                    await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
                }
            }

            await stop.CancelAsync();
            await Task.WhenAll(load);

            async Task SeesAsync(int count)
            {
                while (runtime.Current.Find("reviews") is not { } service || service.Endpoints.Length != count)
                {
                    await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, TestContext.Current.CancellationToken);
                }
            }
        }
        finally
        {
            foreach (var process in processes)
            {
                process.Dispose();
            }
        }
    }

    [Fact]
    public async Task Sigkill_OfAProcess_TakesItOutOfTheViewAfterExpiry()
    {
        await using var client = new FollowingClient(Catalog(TimeProvider.System), s_service, workers: 0);
        using var process = StartProcess("00:00:00");
        await client.Sees(1, static _ => true);

        process.Kill();

        await client.Sees(0, static _ => true);
        Assert.Single(_directory.GetFiles("*.json"));
    }

    [Fact]
    public async Task Sigterm_ASecondTime_SkipsTheDelay()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs SIGTERM");
        using var process = StartProcess("01:00:00");
        await process.Line("Registered");

        process.Signal("TERM");
        await process.Line("Leaving: serving for another 01:00:00");
        process.Signal("TERM");
        await process.Exited;

        Assert.Equal(0, process.ExitCode);
        await process.Line("Leaving: the rest of the delay is skipped");
        Assert.Empty(_directory.GetFileSystemInfos());
    }

    private FileCatalog Catalog(TimeProvider time) => new(
        new FileCatalogOptions { Path = _directory.FullName, PollInterval = TimeSpan.FromMilliseconds(50) },
        _directory.FullName,
        time,
        NullLogger<FileCatalog>.Instance);

    private Task<MeshApp> StartAppAsync() => MeshApp.StartAsync(options =>
    {
        options.Discovery.Providers.Clear();
        options.Discovery.Providers.Add("File");
        options.Discovery.File.Path = _directory.FullName;
    });

    private TestProcess StartProcess(string delay) => new(
        "--urls", "http://127.0.0.1:0",
        "--Mesh:Service", s_service.Name,
        "--Mesh:Namespace", s_service.Namespace,
        "--Mesh:Drain:Delay", delay,
        "--Mesh:Discovery:File:Path", _directory.FullName,
        "--HostOptions:ShutdownTimeout", "02:00:00");

    private sealed class TestProcess : IDisposable
    {
        private readonly Process _process;
        private readonly ConcurrentQueue<string> _lines = [];

        public TestProcess(params string[] arguments)
        {
            // artifacts/bin/Mesh.Server.Tests/debug → artifacts/bin/Mesh.Server.TestHost/debug
            var own = new DirectoryInfo(AppContext.BaseDirectory);
            var host = Path.Combine(own.Parent!.Parent!.FullName, "Mesh.Server.TestHost", own.Name, "Mesh.Server.TestHost.dll");
            _process = new Process
            {
                StartInfo = new ProcessStartInfo("dotnet", [host, .. arguments])
                {
                    RedirectStandardOutput = true,
                    RedirectStandardError = true,
                    WorkingDirectory = own.FullName,
                },
            };
            _process.OutputDataReceived += (_, line) => Take(line.Data);
            _process.ErrorDataReceived += (_, line) => Take(line.Data);
            _process.Start();
            _process.BeginOutputReadLine();
            _process.BeginErrorReadLine();
        }

        public Task Exited => _process.WaitForExitAsync(TestContext.Current.CancellationToken);

        public int ExitCode => _process.ExitCode;

        public void Signal(string name)
        {
            using var kill = Process.Start("kill", ["-s", name, $"{_process.Id}"]);
            kill.WaitForExit();
        }

        public void Kill() => _process.Kill();

        public async Task Line(string text)
        {
            while (!_lines.Any(line => line.Contains(text, StringComparison.Ordinal)))
            {
                Assert.False(_process.HasExited && !_lines.Any(line => line.Contains(text, StringComparison.Ordinal)),
                    $"The process ended without saying '{text}':{Environment.NewLine}{string.Join(Environment.NewLine, _lines)}");
                await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, TestContext.Current.CancellationToken);
            }
        }

        public void Dispose()
        {
            if (!_process.HasExited)
            {
                _process.Kill();
            }

            _process.Dispose();
        }

        private void Take(string? line)
        {
            if (line is not null)
            {
                _lines.Enqueue(line);
            }
        }
    }
}
