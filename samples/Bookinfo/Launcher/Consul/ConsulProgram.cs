using System.ComponentModel;
using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Bookinfo.Launcher.Consul;

/// <summary>The <c>consul</c> program of this machine.</summary>
internal sealed partial record ConsulProgram(string Path, Version Version)
{
    /// <summary>Whether a person can just type <c>consul</c>.</summary>
    public static bool IsOnPath { get; } = (Environment.GetEnvironmentVariable("PATH") ?? "")
        .Split(System.IO.Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
        .Any(static directory => File.Exists(System.IO.Path.Combine(directory, NameHere)));

    private static string NameHere => OperatingSystem.IsWindows() ? "consul.exe" : "consul";

    /// <summary>
    /// MESH_CONSUL, <c>consul</c> on PATH, the copy in artifacts/tools, or a fresh one, as eng/get-consul.sh finds it.
    /// </summary>
    /// <param name="root">The repository's.</param>
    /// <param name="say">Told what the script has to say, such as why the start takes a while.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="LauncherException">There is none and none can be had; the message says why.</exception>
    public static async Task<ConsulProgram> FindAsync(string root, Action<string> say, CancellationToken cancel)
    {
        var path = OperatingSystem.IsWindows()
            ? Environment.GetEnvironmentVariable("MESH_CONSUL") ?? NameHere
            : (await RunAsync("bash", [System.IO.Path.Combine(root, "eng", "get-consul.sh")], say, cancel))
                .Trim().Split('\n')[^1];
        var version = VersionPattern().Match(await RunAsync(path, ["version"], say, cancel));
        return version.Success
            ? new ConsulProgram(path, Version.Parse(version.Groups[1].Value))
            : throw new LauncherException($"{path} is no consul program: it does not tell its version.");
    }

    private static async Task<string> RunAsync(
        string program, string[] arguments, Action<string> say, CancellationToken cancel)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments)
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            await using var kill = cancel.Register(static process => ((Process)process!).Kill(true), process);
            process.ErrorDataReceived += (_, line) => Say(line.Data);
            process.BeginErrorReadLine();
            var output = await process.StandardOutput.ReadToEndAsync(CancellationToken.None);
            await process.WaitForExitAsync(CancellationToken.None);
            cancel.ThrowIfCancellationRequested();
            return process.ExitCode == 0
                ? output
                : throw new LauncherException(
                    "There is no Consul agent, and no consul program to start one "
                    + $"({string.Join(' ', [program, .. arguments])} ended with {process.ExitCode}).");
        }
        catch (Win32Exception failure)
        {
            throw new LauncherException(
                $"There is no Consul agent, and no consul program to start one: {failure.Message} "
                + "Put a consul binary on PATH, or name one in MESH_CONSUL.");
        }

        void Say(string? line)
        {
            if (!string.IsNullOrWhiteSpace(line))
            {
                say(line);
            }
        }
    }

    [GeneratedRegex(@"Consul v(\d+\.\d+\.\d+)")]
    private static partial Regex VersionPattern();
}
