using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Bookinfo.Launcher;

/// <summary>One running service: its process, what it prints, and the address that it listens on.</summary>
internal sealed partial class ServiceProcess : IDisposable
{
    private const int TailLength = 15;

    private readonly Process _process;
    private readonly StreamWriter _log;
    private readonly EventLog _events;
    private readonly Queue<string> _tail = new();
    private readonly Lock _lock = new();
    private readonly TaskCompletionSource<Uri> _address = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _registered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _endIsWanted;

    private ServiceProcess(
        ServiceDefinition definition,
        string name,
        Process process,
        StreamWriter log,
        EventLog events)
    {
        Definition = definition;
        Name = name;
        _process = process;
        _log = log;
        _events = events;
        Exited = FollowAsync();
    }

    public ServiceDefinition Definition { get; }

    /// <summary>The project's name, with a number where there are several of it.</summary>
    public string Name { get; }

    public int Id => _process.Id;

    /// <summary>Done, with the address, when the service listens; cancelled if it ended before.</summary>
    public Task<Uri> Address => _address.Task;

    /// <summary>Done when others can find the service; cancelled if it ended before.</summary>
    public Task Registered => _registered.Task;

    /// <summary>Done when the process is gone and its output is read.</summary>
    public Task Exited { get; }

    public static ServiceProcess Start(
        ServiceDefinition definition,
        string name,
        BookinfoPaths paths,
        IEnumerable<KeyValuePair<string, string?>> environment,
        EventLog events)
    {
        var start = new ProcessStartInfo(paths.Program(definition))
        {
            // The content root, so that appsettings.json and mesh/*.yaml are the ones that people edit.
            WorkingDirectory = Path.Combine(paths.Sources, definition.Project),
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (key, value) in environment)
        {
            start.Environment[key] = value;
        }

        var log = paths.OpenLog(name);
        try
        {
            var process = Process.Start(start) ?? throw new LauncherException($"{name} could not be started.");
            return new ServiceProcess(definition, name, process, log, events);
        }
        catch
        {
            log.Dispose();
            throw;
        }
    }

    /// <summary>Asks the process to leave in good order.</summary>
    public void Terminate()
    {
        _endIsWanted = true;
        if (!Posix.TryTerminate(_process.Id))
        {
            _process.StandardInput.Close();
        }
    }

    /// <summary>Ends the process at once, as a crash would.</summary>
    public void Kill()
    {
        _endIsWanted = true;
        _process.Kill();
    }

    /// <summary>The last lines that the process printed.</summary>
    public IReadOnlyList<string> Tail()
    {
        lock (_lock)
        {
            return [.. _tail];
        }
    }

    public void Dispose()
    {
        _process.Dispose();
        _log.Dispose();
    }

    private async Task FollowAsync()
    {
        await Task.WhenAll(ReadAsync(_process.StandardOutput), ReadAsync(_process.StandardError));
        await _process.WaitForExitAsync();
        var neverListened = _address.TrySetCanceled();
        _registered.TrySetCanceled();
        if (!_endIsWanted && !neverListened)
        {
            var last = string.Concat(Tail().Select(static line => $"{Environment.NewLine}    {line}"));
            _events.Write($"{Name} ended by itself with exit code {_process.ExitCode}. Its last lines:{last}");
        }
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

            if (Listening().Match(line) is { Success: true } listening)
            {
                _address.TrySetResult(new Uri(listening.Groups[1].Value));
            }
            else if (line.Contains("Registered ", StringComparison.Ordinal))
            {
                _registered.TrySetResult();
            }
            else if (Warning().Match(line) is { Success: true } warning && !_endIsWanted)
            {
                _events.WriteWarning(Name, warning.Groups[1].Value);
            }
        }
    }

    [GeneratedRegex(@"Now listening on: (http://\S+)")]
    private static partial Regex Listening();

    // Not 2005, that other machines cannot reach a service: here all of them are on loopback, and on purpose.
    [GeneratedRegex(@"^\S+ ((?:warn|fail|crit): (?!\S+\[2005\]).*)$")]
    private static partial Regex Warning();
}
