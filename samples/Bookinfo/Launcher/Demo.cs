using Bookinfo.Launcher.Consul;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Spectre.Console;

namespace Bookinfo.Launcher;

/// <summary>
/// The run from start to end: what the processes share, own host (the launcher is a client of the mesh like any other),
/// services, load and its disturbances, report, and the end of all processes, whatever happened.
/// </summary>
internal sealed class Demo(LauncherOptions options)
{
    private const int CouldNotRun = 2;
    private const int Interrupted = 130;

    /// <summary>A restart is two seconds of drain and about as long to start; corrected by what is measured.</summary>
    private static readonly TimeSpan s_firstGuessOfRestart = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan s_disturbAfter = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_firstPageLimit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_lookAgain = TimeSpan.FromMilliseconds(100);

    private readonly TimeProvider _time = TimeProvider.System;
    private readonly CallStatistics _statistics = new();
    private readonly EventLog _events = new(TimeProvider.System, Console.Error);

    private BookinfoPaths Paths => field ??= new BookinfoPaths();

    private string Rules => options.Rules ?? Paths.Rules;

    /// <returns>0 if no page failed, 1 if one did, 2 if the demo could not run, 130 if it was interrupted.</returns>
    public async Task<int> RunAsync(CancellationToken cancel)
    {
        using var signals = new StopSignals(cancel);
        var directory = Directory.CreateTempSubdirectory("bookinfo-");
        try
        {
            await using var consul = options.Consul
                ? await ConsulBackend.StartAsync(options.Mtls ? [Rules, Paths.MtlsRules] : [Rules], Paths, _events, _time, signals.Stop)
                : null;
            var settings = consul?.Settings(directory.FullName)
                ?? new Dictionary<string, string?> { ["Mesh:Discovery:File:Path"] = Path.Combine(directory.FullName, "catalog") };
            if (options.Mtls)
            {
                AddMtls(settings, Path.Combine(directory.FullName, "authority"));
            }

            await using var capture = options.Capture is { } wire ? new WireCapture(wire, _events) : null;

            // The host, being a caller, goes before the services, and they go before the agent that they register with.
            await using var fleet = new Fleet(options, Paths, settings, _events, _time, capture);
            using var host = BuildHost(settings);
            await host.StartAsync(signals.Stop);
            var lifetime = host.Services.GetRequiredService<IHostApplicationLifetime>();
            await using var stop = signals.Stop.Register(lifetime.StopApplication);
            var result = await RunFleetAsync(host.Services, fleet, consul, lifetime.ApplicationStopping);
            await host.StopAsync(CancellationToken.None);
            return result;
        }
        catch (LauncherException failure)
        {
            Console.Error.WriteLine(failure.Message);
            return CouldNotRun;
        }
        catch (OperationCanceledException) when (signals.Stop.IsCancellationRequested)
        {
            return Interrupted;
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private void AddMtls(Dictionary<string, string?> settings, string authority)
    {
        if (options.Consul)
        {
            settings["Mesh:Security:Certificates:Source"] = "Consul";
            return;
        }

        settings["Mesh:Security:Certificates:Source"] = "Development";
        settings["Mesh:Security:Certificates:Development:Path"] = authority;
        settings["Mesh:Config:Files:1"] = Path.Combine(Paths.MtlsRules, "*.yaml");
    }

    private static IHost BuildHost(Dictionary<string, string?> settings)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new() { ApplicationName = "Bookinfo" });
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Mesh:Service"] = "loadgenerator",
            ["Mesh:Namespace"] = "prod",
        });
        builder.Configuration.AddInMemoryCollection(settings);
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.Logging.AddSimpleConsole(static console => console.SingleLine = true);
        builder.Logging.AddConsole(static console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.AddServiceMesh();
        builder.Services.AddHttpClient();
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddHostedService<ParentWatch>();
        return builder.Build();
    }

    private async Task<int> RunFleetAsync(
        IServiceProvider services, Fleet fleet, ConsulBackend? consul, CancellationToken stop)
    {
        var pacer = new Pacer(_time) { Interval = UsualInterval };
        var driver = new LoadDriver(
            services.GetRequiredService<IHttpClientFactory>().CreateClient(), options, _statistics, pacer);
        try
        {
            await fleet.StartAsync(stop);
            await FirstPageAsync(driver, stop);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return Interrupted;
        }

        var title = $"Product page: {fleet.Page}";
        var output = options.Json ? Console.Error : Console.Out;
        output.WriteLine(title);
        if (options.Mtls)
        {
            output.WriteLine($"Processes: {fleet.Addresses}");
        }

        if (consul is not null)
        {
            output.WriteLine(consul.Describe(Rules));
        }

        await DriveAsync(driver, fleet, pacer, title, stop);
        return Finish();
    }

    private TimeSpan UsualInterval => options.Rate is { } rate ? TimeSpan.FromSeconds(1 / rate) : TimeSpan.Zero;

    private async Task FirstPageAsync(LoadDriver driver, CancellationToken stop)
    {
        var start = _time.GetTimestamp();
        while (await driver.TryOnceAsync(stop) is { } reason)
        {
            if (_time.GetElapsedTime(start) > s_firstPageLimit)
            {
                throw new LauncherException($"All services are ready, but the product page fails: {reason}");
            }

            await Task.Delay(s_lookAgain, _time, stop);
        }
    }

    private async Task DriveAsync(LoadDriver driver, Fleet fleet, Pacer pacer, string title, CancellationToken stop)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        var table = !options.Json && !Console.IsErrorRedirected;
        var view = new LiveView(_statistics, _events, title, _time).RunAsync(console, table, end.Token);
        var load = driver.RunAsync(stop);
        var disturbance = DisturbAsync(driver, fleet, pacer, load, stop);
        try
        {
            await Task.WhenAll(load, disturbance);
        }
        finally
        {
            await end.CancelAsync();
            await view;
        }
    }

    private async Task DisturbAsync(LoadDriver driver, Fleet fleet, Pacer pacer, Task load, CancellationToken stop)
    {
        try
        {
            if (options.Kill is { } service)
            {
                await (options.Requests is null
                    ? Task.Delay(s_disturbAfter, _time, stop)
                    : driver.Half.WaitAsync(stop));
                fleet.KillOne(service);
            }

            if (options.RollingRestart && !load.IsCompleted)
            {
                await RestartUnderLoadAsync(fleet, pacer, stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
        }
    }

    /// <summary>
    /// Restarts everything. A counted run is slowed down so that it lasts as long as that: of what is left, half is
    /// spread over the time that the restarts to come should take, so that there is load to the end even if they take
    /// longer. Then the rest goes at the usual rate.
    /// </summary>
    private async Task RestartUnderLoadAsync(Fleet fleet, Pacer pacer, CancellationToken stop)
    {
        var start = _time.GetTimestamp();
        SlowDown(fleet.Count, s_firstGuessOfRestart);
        await fleet.RestartAllAsync(
            left => SlowDown(left, _time.GetElapsedTime(start) / (fleet.Count - left)),
            stop);
        pacer.Interval = UsualInterval;

        void SlowDown(int restartsLeft, TimeSpan each)
        {
            if (options.Requests is { } requests)
            {
                var interval = each * restartsLeft * 2 / Math.Max(1, requests - _statistics.Pages);
                pacer.Interval = interval > UsualInterval ? interval : UsualInterval;
            }
        }
    }

    private int Finish()
    {
        foreach (var (reason, count) in _statistics.Reasons)
        {
            Console.Error.WriteLine($"{count} failed: {reason}");
        }

        if (options.Requests is { } requests && _statistics.Pages < requests)
        {
            Console.Error.WriteLine($"Interrupted after {_statistics.Pages} of {requests} requests.");
            return Interrupted;
        }

        if (options.Json)
        {
            Console.Out.WriteLine(Report.Json(_statistics));
        }
        else
        {
            AnsiConsole.Write(Report.Table(_statistics, _statistics));
            Console.Out.WriteLine(Report.Line(_statistics));
        }

        return _statistics.Failures == 0 ? 0 : 1;
    }
}
