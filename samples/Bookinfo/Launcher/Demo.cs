using System.Runtime.InteropServices;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Spectre.Console;

namespace Bookinfo.Launcher;

/// <summary>
/// The run from start to end: catalog directory, own host (the launcher is a client of the mesh like any other),
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

    /// <returns>0 if no page failed, 1 if one did, 2 if the demo could not run, 130 if it was interrupted.</returns>
    public async Task<int> RunAsync(CancellationToken cancel)
    {
        var catalog = Directory.CreateTempSubdirectory("bookinfo-");
        try
        {
            using var host = BuildHost(catalog.FullName);
            await host.StartAsync(cancel);
            var lifetime = host.Services.GetRequiredService<IHostApplicationLifetime>();
            using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
            {
                context.Cancel = true;
                lifetime.StopApplication();
            });

            var result = await RunFleetAsync(host.Services, catalog.FullName, lifetime.ApplicationStopping);
            await host.StopAsync(CancellationToken.None);
            return result;
        }
        catch (LauncherException failure)
        {
            Console.Error.WriteLine(failure.Message);
            return CouldNotRun;
        }
        finally
        {
            catalog.Delete(recursive: true);
        }
    }

    private static IHost BuildHost(string catalog)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new() { ApplicationName = "Bookinfo" });
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Mesh:Service"] = "loadgenerator",
            ["Mesh:Namespace"] = "prod",
            ["Mesh:Discovery:File:Path"] = catalog,
        });
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.Logging.AddSimpleConsole(static console => console.SingleLine = true);
        builder.Logging.AddConsole(static console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.AddServiceMesh();
        builder.Services.AddHttpClient();
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddHostedService<ParentWatch>();
        return builder.Build();
    }

    private async Task<int> RunFleetAsync(IServiceProvider services, string catalog, CancellationToken stop)
    {
        await using var fleet = new Fleet(options, new BookinfoPaths(), catalog, _events, _time);
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
        (options.Json ? Console.Error : Console.Out).WriteLine(title);
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
