using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Bookinfo.Launcher.Consul;

/// <summary>
/// A Consul agent in development mode on loopback: it keeps everything in memory and ends with this process, however
/// that ends.
/// </summary>
internal sealed class DevelopmentAgent : IAsyncDisposable
{
    /// <summary>
    /// A shell beside the agent kills it when the other end of the shell's standard input is closed, as the system does
    /// for a process that was killed. $@ is the agent's command line.
    /// </summary>
    private const string Guard = """
        exec 3<&0
        "$@" </dev/null 3<&- & agent=$!
        (read -r _ <&3; kill -KILL $agent) >/dev/null 2>&1 & guard=$!
        wait $agent; status=$?
        kill $guard 2>/dev/null
        exit $status
        """;

    /// <summary>Away from the terminal where that is possible, so that Ctrl-C reaches it last.</summary>
    private const string Detach = """command -v setsid >/dev/null && exec setsid sh -c "$@"; exec sh -c "$@" """;

    private const int TailLength = 15;

    /// <summary>The first version that serves gRPC with TLS, on a fixed port unless told otherwise.</summary>
    private static readonly Version s_grpcTls = new(1, 14);
    private static readonly TimeSpan s_startLimit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_lookAgain = TimeSpan.FromMilliseconds(50);

    private readonly Process _process;
    private readonly TextWriter _log;
    private readonly Lock _lock = new();
    private readonly Queue<string> _tail = new();
    private readonly Task _exited;

    private DevelopmentAgent(Process process, Uri address, TextWriter log)
    {
        _process = process;
        _log = log;
        Address = address;
        _exited = FollowAsync();
    }

    public Uri Address { get; }

    /// <summary>Starts an agent and returns when it has a leader.</summary>
    /// <param name="program">What is started.</param>
    /// <param name="port">Of its HTTP API.</param>
    /// <param name="log">Gets what it prints, and is disposed with the agent.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="LauncherException">It did not start; the message says why.</exception>
    public static async Task<DevelopmentAgent> StartAsync(
        ConsulProgram program, int port, TextWriter log, TimeProvider time, CancellationToken cancel)
    {
        string[] command = [program.Path, "agent", "-dev", .. Arguments(program.Version, port)];
        var start = OperatingSystem.IsWindows()
            ? new ProcessStartInfo(command[0], command[1..])
            : new ProcessStartInfo("/bin/sh", ["-c", Detach, "sh", Guard, "sh", .. command]);
        start.RedirectStandardInput = true;
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        var agent = new DevelopmentAgent(Process.Start(start)!, new Uri($"http://127.0.0.1:{port}/"), log);
        try
        {
            await agent.UntilReadyAsync(time, cancel);
            return agent;
        }
        catch
        {
            await agent.DisposeAsync();
            throw;
        }
    }

    /// <summary>The wanted port if it is free, otherwise another one.</summary>
    public static int ChoosePort(int wanted)
    {
        foreach (var port in (int[])[wanted, 0])
        {
            try
            {
                using var probe = new TcpListener(IPAddress.Loopback, port);
                probe.Start();
                return ((IPEndPoint)probe.LocalEndpoint).Port;
            }
            catch (SocketException) when (port != 0)
            {
                // Another program's.
            }
        }

        return wanted;
    }

    /// <summary>Ends it at once: nobody wants its data.</summary>
    public async ValueTask DisposeAsync()
    {
        if (OperatingSystem.IsWindows())
        {
            _process.Kill();
        }
        else
        {
            _process.StandardInput.Close();
        }

        await _exited;
        _process.Dispose();
        await _log.DisposeAsync();
    }

    private static IEnumerable<string> Arguments(Version version, int port)
    {
        // Not those that a real agent of this machine would have.
        HashSet<int> others = [];
        while (others.Count < 3)
        {
            others.Add(ChoosePort(0));
        }

        var ports = others.ToArray();
        var grpcTls = version >= s_grpcTls ? "grpc_tls = -1" : "";
        return
        [
            "-bind=127.0.0.1", "-client=127.0.0.1", "-log-level=warn", $"-http-port={port}",
            $"-server-port={ports[0]}", $"-serf-lan-port={ports[1]}", $"-serf-wan-port={ports[2]}",
            "-dns-port=-1", "-grpc-port=-1", "-hcl", $"ports {{ {grpcTls} }}",
            // Each service that a process follows holds a connection, and all processes here are one client.
            "-hcl", "limits { http_max_conns_per_client = 10000 }",
            "-hcl", "disable_update_check = true",
        ];
    }

    private async Task UntilReadyAsync(TimeProvider time, CancellationToken cancel)
    {
        using var client = new ConsulApi(Address);
        var start = time.GetTimestamp();
        while (!await client.IsReadyAsync(cancel))
        {
            if (_exited.IsCompleted || time.GetElapsedTime(start) > s_startLimit)
            {
                var how = _exited.IsCompleted ? "ended instead of starting" : $"did not start within {s_startLimit}";
                throw new LauncherException(
                    string.Join($"{Environment.NewLine}    ", [$"The Consul agent {how}. Its last lines:", .. Tail()]));
            }

            await Task.Delay(s_lookAgain, time, cancel);
        }
    }

    private string[] Tail()
    {
        lock (_lock)
        {
            return [.. _tail];
        }
    }

    private async Task FollowAsync()
    {
        await Task.WhenAll(ReadAsync(_process.StandardOutput), ReadAsync(_process.StandardError));
        await _process.WaitForExitAsync();
    }

    private async Task ReadAsync(StreamReader output)
    {
        while (await output.ReadLineAsync() is { } line)
        {
            lock (_lock)
            {
                _log.WriteLine(line);
                _tail.Enqueue(line);
                if (_tail.Count > TailLength)
                {
                    _tail.Dequeue();
                }
            }
        }
    }
}
