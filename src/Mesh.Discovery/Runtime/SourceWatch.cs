using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Runtime;

/// <summary>Keeps the watch of a source going: one that throws or returns is called again after a growing pause.</summary>
internal static partial class SourceWatch
{
    private static readonly TimeSpan s_firstPause = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(30);

    /// <summary>Ends, without an exception, when <paramref name="stop"/> is cancelled.</summary>
    public static async Task RunAsync(
        string name, Func<CancellationToken, Task> watch, TimeProvider time, IRandomSource random, ILogger logger, CancellationToken stop)
    {
        var pause = s_firstPause;
        while (!stop.IsCancellationRequested)
        {
            var began = time.GetTimestamp();
            try
            {
                await watch(stop).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
#pragma warning disable CA1031 // Whatever a source throws, the mesh goes on with what it knows; it is logged.
            catch (Exception e)
#pragma warning restore CA1031
            {
                // After a long good time it is a new trouble.
                pause = time.GetElapsedTime(began) >= s_longestPause ? s_firstPause : pause;
                Log.WatchFailed(logger, name, pause, e);
            }

            try
            {
                await Task.Delay(pause * (0.5 + random.NextDouble()), time, stop).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            pause = pause * 2 < s_longestPause ? pause * 2 : s_longestPause;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(101, LogLevel.Error, "Following {Name} failed; what it said before stays in use. Next try in about {Pause}.")]
        public static partial void WatchFailed(ILogger logger, string name, TimeSpan pause, Exception exception);
    }
}
