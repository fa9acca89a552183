using System.Runtime.InteropServices;

namespace Bookinfo.Launcher;

/// <summary>Sends SIGTERM, for which .NET has no call.</summary>
internal static partial class Signals
{
    private const int SigTerm = 15;

    /// <returns>Whether the signal was sent: not on Windows, and not to a process that is gone.</returns>
    public static bool TryTerminate(int processId) => !OperatingSystem.IsWindows() && Kill(processId, SigTerm) == 0;

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int processId, int signal);
}
