using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Bookinfo.Launcher;

namespace Mesh.IntegrationTests;

/// <summary>A program under test, with all that it starts. Disposing it leaves no process behind.</summary>
internal sealed class ChildProcess : IAsyncDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(4);

    // In the environment of the program and so of all that it starts: by it they are found, whoever their parent is.
    private const string MarkName = "MESH_TEST_RUN";

    private readonly Process _process;
    private readonly string _mark;
    private readonly Lock _lock = new();
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _error = new();
    private readonly List<(string Text, TaskCompletionSource Seen)> _awaited = [];
    private readonly Task<int> _exit;

    private ChildProcess(Process process, string mark)
    {
        _process = process;
        _mark = mark;
        _exit = FollowAsync();
    }

    public int Id => _process.Id;

    /// <summary>What it printed on standard output until now.</summary>
    public string Output => Read(_output);

    /// <summary>What it printed on standard error until now.</summary>
    public string Error => Read(_error);

    public static ChildProcess Start(
        string program,
        IEnumerable<string> arguments,
        string? workingDirectory = null,
        Dictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = workingDirectory ?? Path.GetTempPath(),
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        start.Environment["DOTNET_ROOT"] =
            Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        foreach (var (name, value) in environment ?? [])
        {
            start.Environment[name] = value;
        }

        var mark = Guid.NewGuid().ToString("N");
        start.Environment[MarkName] = mark;
        return new ChildProcess(Process.Start(start)!, mark);
    }

    /// <summary>Waits until a line with this text was printed, on either output.</summary>
    public async Task WaitForLineAsync(string text, CancellationToken cancel)
    {
        var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            if (_output.ToString().Contains(text) || _error.ToString().Contains(text))
            {
                return;
            }

            _awaited.Add((text, seen));
        }

        var first = await Task.WhenAny(seen.Task, _exit).WaitAsync(s_limit, cancel);
        if (first == _exit && !seen.Task.IsCompleted)
        {
            throw new InvalidOperationException(
                $"The program ended with {await _exit} before it printed '{text}'.\n{Output}\n{Error}");
        }
    }

    /// <summary>Waits until it ends by itself.</summary>
    /// <returns>Its exit code.</returns>
    public Task<int> WaitForExitAsync(CancellationToken cancel) => _exit.WaitAsync(s_limit, cancel);

    /// <summary>What it started, directly or not, as far as it is still there (Linux only).</summary>
    public IReadOnlyList<Process> Descendants()
    {
        var entry = $"{MarkName}={_mark}";
        var found = new List<Process>();
        foreach (var process in Process.GetProcesses())
        {
            if (process.Id != _process.Id && EnvironmentOf(process.Id).Split('\0').Contains(entry))
            {
                found.Add(process);
            }
            else
            {
                process.Dispose();
            }
        }

        return found;
    }

    public void Terminate() => Posix.TryTerminate(_process.Id);

    public void Kill() => _process.Kill();

    public async ValueTask DisposeAsync()
    {
        if (!_exit.IsCompleted)
        {
            _process.Kill(entireProcessTree: true);
        }

        foreach (var process in Descendants())
        {
            process.Kill();
            process.Dispose();
        }

        await _exit;
        _process.Dispose();
    }

    private static string EnvironmentOf(int processId)
    {
        try
        {
            return File.ReadAllText($"/proc/{processId}/environ");
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // Gone, or not ours.
            return "";
        }
    }

    private async Task<int> FollowAsync()
    {
        await Task.WhenAll(ReadAsync(_process.StandardOutput, _output), ReadAsync(_process.StandardError, _error));
        await _process.WaitForExitAsync();
        return _process.ExitCode;
    }

    private async Task ReadAsync(StreamReader reader, StringBuilder text)
    {
        while (await reader.ReadLineAsync() is { } line)
        {
            lock (_lock)
            {
                text.Append(line).Append('\n');
                foreach (var (awaited, seen) in _awaited)
                {
                    if (line.Contains(awaited))
                    {
                        seen.TrySetResult();
                    }
                }
            }
        }
    }

    private string Read(StringBuilder text)
    {
        lock (_lock)
        {
            return text.ToString();
        }
    }
}
