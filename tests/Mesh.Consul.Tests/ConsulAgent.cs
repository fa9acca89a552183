using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mesh.Consul.Tests;

/// <summary>
/// A real Consul agent on loopback ports of its own, for one test or one test class. Disposing it kills the agent and
/// deletes what it has written; so does the end of the test process, however it comes.
/// </summary>
public sealed class ConsulAgent : IAsyncDisposable
{
    private const int Attempts = 5;

    // The first version that serves gRPC with TLS, on a fixed port unless told otherwise.
    private static readonly Version s_grpcTls = new(1, 14);

    // The first version that calls the master token by another name.
    private static readonly Version s_initialManagement = new(1, 11);
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(50);

    private readonly ConsulBinary _binary;
    private readonly ConsulAgentSettings _settings;
    private readonly ConsulPorts _ports;
    private readonly string _directory = Path.Combine(Path.GetTempPath(), $"mesh-consul-{Guid.NewGuid():N}");
    private ConsulProcess? _process;
    private bool _disposed;

    private ConsulAgent(ConsulBinary binary, ConsulAgentSettings settings, ConsulPorts ports)
    {
        _binary = binary;
        _settings = settings;
        _ports = ports;
        Address = new Uri($"http://127.0.0.1:{ports.Http}/");
        SecureAddress = settings.Tls ? new Uri($"https://127.0.0.1:{ports.Https}/") : null;
        HttpClient = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = Address };
        if (settings.ManagementToken is { } token)
        {
            HttpClient.DefaultRequestHeaders.Add("X-Consul-Token", token);
        }
    }

    /// <summary>Whether there is a program to start.</summary>
    public static bool IsAvailable => ConsulBinary.Found is not null;

    /// <summary>The version of the program.</summary>
    public static Version Version =>
        ConsulBinary.Found?.Version ?? throw new InvalidOperationException(ConsulBinary.Reason);

    /// <summary>Where the HTTP API is; the same after a restart.</summary>
    public Uri Address { get; }

    /// <summary>Where the HTTP API with TLS is, if <see cref="ConsulAgentSettings.Tls"/> asks for it.</summary>
    public Uri? SecureAddress { get; }

    /// <summary>Calls <see cref="Address"/>, with the <see cref="ConsulAgentSettings.ManagementToken"/>.</summary>
    public HttpClient HttpClient { get; }

    /// <summary>The agent's process; another one after a restart.</summary>
    public int ProcessId => Running.Id;

    /// <summary>The last lines that the agent printed.</summary>
    public string Output => _process?.Output ?? "";

    private ConsulProcess Running =>
        _process ?? throw new InvalidOperationException("The agent is not running: it was killed.");

    private string DataDirectory => Path.Combine(_directory, "data");

    /// <summary>Without a program to start, skips the test, or fails it where the environment says CI=true.</summary>
    public static void RequireOrSkip()
    {
        if (!IsAvailable && Environment.GetEnvironmentVariable("CI") is { } ci
            && (ci == "1" || ci.Equals("true", StringComparison.OrdinalIgnoreCase)))
        {
            Assert.Fail($"{ConsulBinary.Reason} CI={ci}, so this is a failure.");
        }

        Assert.SkipUnless(IsAvailable, ConsulBinary.Reason);
    }

    /// <summary>Starts an agent, and returns when it has a leader. Calls <see cref="RequireOrSkip"/>.</summary>
    public static async Task<ConsulAgent> StartAsync(
        ConsulAgentSettings? settings = null,
        CancellationToken cancel = default)
    {
        RequireOrSkip();
        for (var attempt = 1; ; attempt++)
        {
            var agent = new ConsulAgent(ConsulBinary.Found!, settings ?? new(), ConsulPorts.Choose());
            try
            {
                await agent.RunAsync(cancel);
                return agent;
            }
            catch (PortTakenException) when (attempt < Attempts)
            {
                await agent.DisposeAsync();
            }
            catch
            {
                await agent.DisposeAsync();
                throw;
            }
        }
    }

    /// <summary>Ends the agent as a crash does (SIGKILL). Nothing happens if it is not running.</summary>
    public async Task KillAsync()
    {
        if (_process is { } process)
        {
            _process = null;
            await process.DisposeAsync();
        }
    }

    /// <summary>
    /// Kills the agent if it runs, and starts it on the same ports; returns when it answers again. Only a persistent
    /// agent can keep its data.
    /// </summary>
    public async Task RestartAsync(bool keepData, CancellationToken cancel = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (keepData && !_settings.Persistent)
        {
            throw new InvalidOperationException(
                $"An agent in development mode keeps nothing; start it with {nameof(ConsulAgentSettings.Persistent)}.");
        }

        await KillAsync();
        if (!keepData && Directory.Exists(DataDirectory))
        {
            Directory.Delete(DataDirectory, recursive: true);
        }

        await RunAsync(cancel);
    }

    /// <summary>Stops the agent without ending it (SIGSTOP): it accepts connections and answers nothing.</summary>
    public Task PauseAsync() => Running.PauseAsync();

    /// <summary>Lets a paused agent go on.</summary>
    public Task ResumeAsync() => Running.ResumeAsync();

    public async ValueTask DisposeAsync()
    {
        _disposed = true;
        HttpClient.Dispose();
        await KillAsync();
        if (Directory.Exists(_directory))
        {
            Directory.Delete(_directory, recursive: true);
        }
    }

    private async Task RunAsync(CancellationToken cancel)
    {
        Directory.CreateDirectory(_directory);
        var process = ConsulProcess.Start(_binary.Path, WriteArguments(), _directory);
        _process = process;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(s_limit);
        try
        {
            var ready = WaitUntilReadyAsync(limit.Token);
            if (await Task.WhenAny(ready, process.Exit) == process.Exit)
            {
                await limit.CancelAsync();
                await ready.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                throw process.Output.Contains("address already in use")
                    ? new PortTakenException($"A port of the agent was taken:\n{process.Output}")
                    : new InvalidOperationException($"The agent ended instead of starting:\n{process.Output}");
            }

            await ready;
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new TimeoutException($"The agent was not ready within {s_limit}:\n{process.Output}");
        }
    }

    private IEnumerable<string> WriteArguments()
    {
        var ports = new JsonObject
        {
            ["http"] = _ports.Http,
            ["https"] = _settings.Tls ? _ports.Https : -1,
            ["dns"] = -1,
            ["grpc"] = -1,
            ["server"] = _ports.Server,
            ["serf_lan"] = _ports.SerfLan,
            ["serf_wan"] = _ports.SerfWan,
        };
        if (_binary.Version >= s_grpcTls)
        {
            ports["grpc_tls"] = -1;
        }

        var configuration = new JsonObject
        {
            ["bind_addr"] = "127.0.0.1",
            ["client_addr"] = "127.0.0.1",
            ["datacenter"] = _settings.Datacenter,
            ["node_name"] = _settings.NodeName,
            ["ports"] = ports,
            ["connect"] = new JsonObject { ["enabled"] = true },
            ["disable_update_check"] = true,
            ["limits"] = new JsonObject { ["http_max_conns_per_client"] = 10_000 },
            ["performance"] = new JsonObject { ["raft_multiplier"] = 1, ["leave_drain_time"] = "0s" },
        };
        if (_settings.ManagementToken is { } token)
        {
            configuration["acl"] = new JsonObject
            {
                ["enabled"] = true,
                ["default_policy"] = "deny",
                ["tokens"] = new JsonObject
                {
                    [_binary.Version >= s_initialManagement ? "initial_management" : "master"] = token,
                    ["agent"] = token,
                },
            };
        }

        List<string> arguments = ["agent"];
        if (_settings.Persistent)
        {
            arguments.AddRange(["-server", "-bootstrap-expect=1", $"-data-dir={DataDirectory}"]);
        }
        else
        {
            arguments.Add("-dev");
        }

        // Files that come later win, and their sections are merged.
        arguments.Add($"-config-file={Write("agent.json", configuration.ToJsonString())}");
        if (_settings.Configuration is { } more)
        {
            arguments.Add($"-config-file={Write("more.json", more)}");
        }

        return arguments;
    }

    private string Write(string name, string text)
    {
        var path = Path.Combine(_directory, name);
        File.WriteAllText(path, text);
        return path;
    }

    // Its own node is in the catalog only when the leader is there, reads what was kept, and does its work.
    private async Task WaitUntilReadyAsync(CancellationToken cancel)
    {
        while (!await AnswersAsync(cancel))
        {
            await Task.Delay(s_poll, TimeProvider.System, cancel);
        }
    }

    private async Task<bool> AnswersAsync(CancellationToken cancel)
    {
        try
        {
            using var answer = await HttpClient.GetAsync("v1/health/service/consul?consistent&passing", cancel);
            if (answer.StatusCode != HttpStatusCode.OK)
            {
                return false;
            }

            using var entries = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(cancel));
            return entries.RootElement.GetArrayLength() > 0;
        }
        catch (HttpRequestException)
        {
            // Not listening yet.
            return false;
        }
    }

    private sealed class PortTakenException(string message) : Exception(message);
}
