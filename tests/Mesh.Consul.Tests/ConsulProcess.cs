using System.Diagnostics;
using System.Text;

namespace Mesh.Consul.Tests;

/// <summary>
/// One run of an agent, and beside it a shell that kills the agent when the test run ends in whatever way: the shell
/// reads from a pipe whose other end only the test process holds.
/// </summary>
internal sealed class ConsulProcess : IAsyncDisposable
{
    private const int KeptLines = 400;

    private readonly Process _agent;
    private readonly Process _guard;
    private readonly Lock _lock = new();
    private readonly Queue<string> _output = [];

    private ConsulProcess(Process agent, Process guard)
    {
        _agent = agent;
        _guard = guard;
        Exit = FollowAsync();
    }

    public int Id => _agent.Id;

    /// <summary>Ends when the agent has, and when all that it printed is in <see cref="Output"/>.</summary>
    public Task Exit { get; }

    /// <summary>The last lines of what it printed.</summary>
    public string Output
    {
        get
        {
            lock (_lock)
            {
                return new StringBuilder().AppendJoin('\n', _output).ToString();
            }
        }
    }

    public static ConsulProcess Start(string program, IEnumerable<string> arguments, string directory)
    {
        var agent = Process.Start(new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = directory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        try
        {
            // $1 is the agent, $2 all that it has written.
            const string Script = "read -r _; kill -KILL \"$1\" 2>/dev/null; rm -rf -- \"$2\"";
            var guard = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", Script, "sh", $"{agent.Id}", directory])
            {
                WorkingDirectory = "/",
                RedirectStandardInput = true,
            })!;
            return new ConsulProcess(agent, guard);
        }
        catch
        {
            agent.Kill();
            agent.Dispose();
            throw;
        }
    }

    public void Kill()
    {
        // The guard first: later, the id could be another process's.
        _guard.Kill();
        _agent.Kill();
        _agent.WaitForExit();
    }

    /// <summary>Stops every thread of it; returns when they are.</summary>
    public async Task PauseAsync()
    {
        await SignalAsync("STOP");
        while (OperatingSystem.IsLinux() && !Directory.GetDirectories($"/proc/{Id}/task").All(Stopped))
        {
            await Task.Yield();
        }
    }

    public Task ResumeAsync() => SignalAsync("CONT");

    public async ValueTask DisposeAsync()
    {
        Kill();
        await Exit;
        await _guard.WaitForExitAsync();
        _agent.Dispose();
        _guard.Dispose();
    }

    private static bool Stopped(string thread)
    {
        var line = File.ReadAllText(Path.Combine(thread, "stat"));
        // The state follows the name, which is in parentheses and may hold any character.
        return line[line.LastIndexOf(')') + 2] == 'T';
    }

    private async Task SignalAsync(string name)
    {
        using var kill = Process.Start("/bin/sh", ["-c", "kill -\"$1\" \"$2\"", "sh", name, $"{Id}"]);
        await kill.WaitForExitAsync();
        if (kill.ExitCode != 0)
        {
            throw new InvalidOperationException($"The agent (process {Id}) did not take the signal {name}.\n{Output}");
        }
    }

    private async Task FollowAsync()
    {
        await Task.WhenAll(ReadAsync(_agent.StandardOutput), ReadAsync(_agent.StandardError));
        await _agent.WaitForExitAsync();
    }

    private async Task ReadAsync(StreamReader reader)
    {
        while (await reader.ReadLineAsync() is { } line)
        {
            lock (_lock)
            {
                _output.Enqueue(line);
                if (_output.Count > KeptLines)
                {
                    _output.Dequeue();
                }
            }
        }
    }
}
