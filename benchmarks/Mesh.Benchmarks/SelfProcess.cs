using System.Diagnostics;

namespace Mesh.Benchmarks;

/// <summary>Starts this program again with other arguments, whether it was started by itself or by <c>dotnet</c>; input and output are redirected.</summary>
internal static class SelfProcess
{
    public static Process Start(params string[] arguments)
    {
        var path = Environment.ProcessPath!;
        var isHost = Path.GetFileNameWithoutExtension(path).Equals("dotnet", StringComparison.OrdinalIgnoreCase);
        return Process.Start(new ProcessStartInfo(path, isHost ? [typeof(SelfProcess).Assembly.Location, .. arguments] : arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
    }
}
