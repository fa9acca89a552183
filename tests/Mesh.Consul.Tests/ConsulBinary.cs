using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Mesh.Consul.Tests;

/// <summary>The program that runs: <c>MESH_CONSUL</c>, else the one on PATH, else eng/get-consul.sh's.</summary>
internal sealed partial record ConsulBinary(string Path, Version Version)
{
    private static readonly Lazy<(ConsulBinary? Binary, string Reason)> s_found = new(Find);

    /// <summary>Null if there is none that runs; <see cref="Reason"/> says why.</summary>
    public static ConsulBinary? Found => s_found.Value.Binary;

    public static string Reason => s_found.Value.Reason;

    private static (ConsulBinary? Binary, string Reason) Find()
    {
        if (OperatingSystem.IsWindows())
        {
            return (null, "The tests with a real Consul agent send it POSIX signals, so they do not run on Windows.");
        }

        if (Environment.GetEnvironmentVariable("MESH_CONSUL") is { Length: > 0 } named)
        {
            return TryRun(named) is { } binary
                ? (binary, "")
                : (null, $"MESH_CONSUL names '{named}', which is no consul program that runs here.");
        }

        var path = Environment.GetEnvironmentVariable("PATH") ?? "";
        var candidates = path.Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Select(directory => System.IO.Path.Combine(directory, "consul"))
            .ToList();
        if (FindRoot() is { } root)
        {
            candidates.Add(System.IO.Path.Combine(root, "artifacts", "tools", "consul"));
        }

        var first = candidates.Where(File.Exists).Select(TryRun).FirstOrDefault(binary => binary is not null);
        return first is not null
            ? (first, "")
            : (null, "There is no consul program: neither in MESH_CONSUL, nor on PATH, nor in artifacts/tools. "
                + "`bash eng/get-consul.sh` fetches one.");
    }

    private static string? FindRoot()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(System.IO.Path.Combine(directory.FullName, "Mesh.Library.sln")))
        {
            directory = directory.Parent;
        }

        return directory?.FullName;
    }

    private static ConsulBinary? TryRun(string path)
    {
        try
        {
            var start = new ProcessStartInfo(path, ["version"])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            using var process = Process.Start(start)!;
            process.ErrorDataReceived += (_, _) => { };
            process.BeginErrorReadLine();
            var match = VersionPattern().Match(process.StandardOutput.ReadToEnd());
            process.WaitForExit();
            return match.Success ? new ConsulBinary(path, Version.Parse(match.Groups[1].Value)) : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            // Not a program, or not for this machine.
            return null;
        }
    }

    [GeneratedRegex(@"Consul v(\d+\.\d+\.\d+)")]
    private static partial Regex VersionPattern();
}
