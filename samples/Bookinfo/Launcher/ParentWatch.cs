using System.Diagnostics;
using Microsoft.Extensions.Hosting;

namespace Bookinfo.Launcher;

/// <summary>
/// Ends the demo when <c>dotnet run</c>, which started it, was killed: no signal tells of that. A launcher that was
/// started otherwise may outlive its parent.
/// </summary>
internal sealed class ParentWatch(IHostApplicationLifetime lifetime, TimeProvider time) : BackgroundService
{
    private static readonly TimeSpan s_lookAgain = TimeSpan.FromSeconds(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var parent = Posix.ParentProcessId;
        if (!IsDotnet(parent))
        {
            return;
        }

        using var timer = new PeriodicTimer(s_lookAgain, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            if (Posix.ParentProcessId != parent)
            {
                lifetime.StopApplication();
                return;
            }
        }
    }

    private static bool IsDotnet(int processId)
    {
        if (processId <= 1)
        {
            return false;
        }

        try
        {
            using var process = Process.GetProcessById(processId);
            return process.ProcessName == "dotnet";
        }
        catch (ArgumentException)
        {
            // It ended in the meantime.
            return false;
        }
    }
}
