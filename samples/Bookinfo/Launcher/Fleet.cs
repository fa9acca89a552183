using System.Net;
using System.Net.Sockets;

namespace Bookinfo.Launcher;

/// <summary>All service processes: their start, readiness, restart and end.</summary>
internal sealed class Fleet : IAsyncDisposable
{
    private static readonly TimeSpan s_startLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan s_stopLimit = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan s_untilSecondSignal = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan s_lookAgain = TimeSpan.FromMilliseconds(50);

    private readonly LauncherOptions _options;
    private readonly BookinfoPaths _paths;
    private readonly IReadOnlyDictionary<string, string?> _settings;
    private readonly EventLog _events;
    private readonly TimeProvider _time;

    // Direct calls to single processes: the only ones here that do not go through the mesh.
    private readonly HttpClient _direct = new() { Timeout = TimeSpan.FromSeconds(5) };
    private readonly List<ServiceProcess> _processes = [];
    private readonly WireCapture? _capture;

    /// <param name="options">What the command line asks for.</param>
    /// <param name="paths">Where things are.</param>
    /// <param name="settings">What is configured for all processes of the run, by key.</param>
    /// <param name="events">Told what happens.</param>
    /// <param name="time">The clock.</param>
    /// <param name="capture">Writes down what goes over the wire; null if nobody wants to know.</param>
    public Fleet(
        LauncherOptions options,
        BookinfoPaths paths,
        IReadOnlyDictionary<string, string?> settings,
        EventLog events,
        TimeProvider time,
        WireCapture? capture)
    {
        _capture = capture;
        _options = options;
        _paths = paths;
        _settings = settings;
        _events = events;
        _time = time;
    }

    /// <summary>The product page as a browser reaches it.</summary>
    public Uri? Page { get; private set; }

    /// <summary>Where each process listens: <c>details http://127.0.0.1:40001</c>. Once all are started.</summary>
    public string Addresses => string.Join(", ", _processes.Select(static process => $"{process.Name} {process.Address.Result.GetLeftPart(UriPartial.Authority)}"));

    /// <summary>How many processes there are to restart.</summary>
    public int Count => _processes.Count;

    /// <summary>Starts everything and returns when all processes are ready.</summary>
    /// <exception cref="LauncherException">One of them did not start; the message says why.</exception>
    public async Task StartAsync(CancellationToken cancel)
    {
        var port = ChoosePort(out var busy);
        foreach (var definition in ServiceDefinition.All)
        {
            for (var replica = 1; replica <= _options.Replicas; replica++)
            {
                var own = definition == ServiceDefinition.ProductPage && replica == 1 ? port : 0;
                _processes.Add(Start(definition, NameOf(definition, replica), own));
            }
        }

        await Task.WhenAll(_processes.Select(process => UntilReadyAsync(process, cancel)));
        var address = await _processes[0].Address;
        Page = new Uri(address, "/productpage");
        if (busy is not null)
        {
            _events.Write($"{busy}; productpage uses {address.Port}");
        }
    }

    /// <summary>Kills the last process of the first version of a service.</summary>
    public void KillOne(string service)
    {
        var definition = ServiceDefinition.All.First(one => one.IsNamed(service));
        var victim = _processes.Last(process => process.Definition == definition);
        victim.Kill();
        var left = _options.Replicas > 1 ? "" : "; it was the only one, so calls to it fail from now on";
        _events.Write($"{victim.Name} (process {victim.Id}) was killed{left}");
    }

    /// <summary>Restarts one process after the other; each is ready again before the next one goes.</summary>
    /// <param name="afterEach">Told after each how many are still to come.</param>
    /// <param name="cancel">Stops between two.</param>
    public async Task RestartAllAsync(Action<int> afterEach, CancellationToken cancel)
    {
        if (_options.Replicas == 1)
        {
            _events.Write("With one process of each service, calls fail while it restarts (--replicas 2 avoids that).");
        }

        for (var index = 0; index < _processes.Count; index++)
        {
            cancel.ThrowIfCancellationRequested();
            var old = _processes[index];
            if (!old.Exited.IsCompleted)
            {
                old.Terminate();
                await UntilGoneAsync([old]);
            }

            // The page keeps its port, because a browser may be looking at it.
            var port = index == 0 ? Page!.Port : 0;
            old.Dispose();
            _processes[index] = Start(old.Definition, old.Name, port);
            await UntilReadyAsync(_processes[index], cancel);
            _events.Write($"{old.Name} was restarted ({index + 1} of {_processes.Count})");
            afterEach(_processes.Count - index - 1);
        }
    }

    /// <summary>Ends all processes: in good order, and if that takes too long, at once.</summary>
    public async ValueTask DisposeAsync()
    {
        // Nobody calls any more. A second signal tells a service not to go on serving until its callers know.
        TerminateAll();
        var gone = Task.WhenAll(_processes.Select(static process => process.Exited));
        if (await Task.WhenAny(gone, Task.Delay(s_untilSecondSignal, _time)) != gone)
        {
            TerminateAll();
        }

        await UntilGoneAsync(_processes);
        _processes.ForEach(static process => process.Dispose());
        _processes.Clear();
        _direct.Dispose();
    }

    private void TerminateAll()
    {
        foreach (var process in _processes.Where(static process => !process.Exited.IsCompleted))
        {
            process.Terminate();
        }
    }

    private string NameOf(ServiceDefinition definition, int replica) =>
        _options.Replicas == 1 ? definition.Project : $"{definition.Project}.{replica}";

    private ServiceProcess Start(ServiceDefinition definition, string name, int port)
    {
        var environment = new Dictionary<string, string?>
        {
            ["DOTNET_ROOT"] = BookinfoPaths.DotnetRoot,
            ["DOTNET_ENVIRONMENT"] = "Production",
            ["ASPNETCORE_ENVIRONMENT"] = "Production",
            ["ASPNETCORE_URLS"] = $"http://127.0.0.1:{port}",
            ["ASPNETCORE_HOSTINGSTARTUPASSEMBLIES"] = typeof(StopWithLauncher).Assembly.GetName().Name!,
            ["Logging__LogLevel__Default"] = "Warning",
            ["Logging__LogLevel__Mesh"] = "Information",
            ["Logging__LogLevel__Microsoft.Hosting.Lifetime"] = "Information",
            ["Logging__Console__FormatterName"] = "simple",
            ["Logging__Console__FormatterOptions__SingleLine"] = "true",
            ["Logging__Console__FormatterOptions__ColorBehavior"] = "Disabled",
            ["Logging__Console__FormatterOptions__TimestampFormat"] = "HH:mm:ss.fff ",
        };
        if (_options.Rules is { } rules)
        {
            environment["Mesh__Config__Files__0"] = Path.Combine(rules, "*.yaml");
        }

        foreach (var (key, value) in _settings)
        {
            environment[key.Replace(":", "__", StringComparison.Ordinal)] = value;
        }

        if (_capture is null)
        {
            return ServiceProcess.Start(definition, name, _paths, environment, _events);
        }

        var address = new TaskCompletionSource<Uri>(TaskCreationOptions.RunContinuationsAsynchronously);
        environment["Mesh__Advertise"] = _capture.Open(name, address.Task).Address.GetLeftPart(UriPartial.Authority);
        var process = ServiceProcess.Start(definition, name, _paths, environment, _events);
        process.Address.ContinueWith(
            task => task.IsCompletedSuccessfully ? address.TrySetResult(task.Result) : address.TrySetCanceled(), TaskScheduler.Default);
        return process;
    }

    private async Task UntilReadyAsync(ServiceProcess process, CancellationToken cancel)
    {
        using var limit = new CancellationTokenSource(s_startLimit, _time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
        var state = "it does not listen yet";
        try
        {
            var ready = new Uri(await process.Address.WaitAsync(stop.Token), "/mesh/ready");
            if (_options.Mtls)
            {
                // Nobody without a certificate of the mesh is answered there.
                state = "it is not registered";
                await process.Registered.WaitAsync(stop.Token);
                return;
            }

            while (true)
            {
                state = await AskAsync(ready, stop.Token);
                if (state.Length == 0)
                {
                    return;
                }

                if (process.Exited.IsCompleted)
                {
                    throw new LauncherException(Failed("ended before it was ready"));
                }

                await Task.Delay(s_lookAgain, _time, stop.Token);
            }
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            await Task.WhenAny(process.Exited, Task.Delay(s_lookAgain, _time, cancel));
            throw new LauncherException(process.Exited.IsCompleted
                ? Failed("ended before it was ready")
                : Failed($"was not ready within {s_startLimit.TotalSeconds:0} s: {state}"));
        }

        string Failed(string how) =>
            string.Join($"{Environment.NewLine}    ", [$"{process.Name} {how}. Its last lines:", .. process.Tail()]);
    }

    /// <summary>Empty when the service is ready, otherwise why not.</summary>
    private async Task<string> AskAsync(Uri ready, CancellationToken cancel)
    {
        try
        {
            using var response = await _direct.GetAsync(ready, cancel);
            return response.IsSuccessStatusCode
                ? ""
                : $"{ready} answers {(int)response.StatusCode} {await response.Content.ReadAsStringAsync(cancel)}";
        }
        catch (Exception failure) when (failure is HttpRequestException || !cancel.IsCancellationRequested)
        {
            return $"{ready}: {failure.Message}";
        }
    }

    private async Task UntilGoneAsync(IReadOnlyList<ServiceProcess> processes)
    {
        var gone = Task.WhenAll(processes.Select(static process => process.Exited));
        try
        {
            await gone.WaitAsync(s_stopLimit, _time);
        }
        catch (TimeoutException)
        {
            foreach (var process in processes.Where(static process => !process.Exited.IsCompleted))
            {
                _events.Write($"{process.Name} did not end within {s_stopLimit.TotalSeconds:0} s and was killed.");
                process.Kill();
            }

            await gone;
        }
    }

    /// <summary>The wanted port, or 0 for any free one with the reason why.</summary>
    private int ChoosePort(out string? busy)
    {
        busy = null;
        if (_options.Port == 0)
        {
            return 0;
        }

        try
        {
            using var probe = new TcpListener(IPAddress.Loopback, _options.Port);
            probe.Start();
            return _options.Port;
        }
        catch (SocketException failure)
        {
            busy = failure.SocketErrorCode == SocketError.AddressAlreadyInUse
                ? $"port {_options.Port} is taken by another program"
                : $"port {_options.Port} cannot be used ({failure.Message})";
            return 0;
        }
    }
}
