using System.Runtime.InteropServices;

namespace Bookinfo.Launcher;

/// <summary>What POSIX can and .NET has no call for: sending SIGTERM, and asking who the parent is.</summary>
internal static partial class Posix
{
    private const int SigTerm = 15;

    /// <returns>Whether the signal was sent: not on Windows, and not to a process that is gone.</returns>
    public static bool TryTerminate(int processId) => !OperatingSystem.IsWindows() && Kill(processId, SigTerm) == 0;

    /// <summary>The process that started this one, or 1 after it is gone; 0 on Windows.</summary>
    public static int ParentProcessId => OperatingSystem.IsWindows() ? 0 : GetParentProcessId();

    [LibraryImport("libc", EntryPoint = "getppid")]
    private static partial int GetParentProcessId();

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int processId, int signal);
}
