using System.Runtime.InteropServices;

namespace Bookinfo.Launcher;

/// <summary>Where sources, programs and logs are, whatever directory the launcher is started from.</summary>
internal sealed class BookinfoPaths
{
    private readonly string _binaries;
    private readonly string _configuration;
    private readonly string _logs;

    public BookinfoPaths()
    {
        // artifacts/bin/<project>/<configuration>, below the repository's root.
        var own = new DirectoryInfo(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory));
        _configuration = own.Name;
        _binaries = own.Parent?.Parent?.FullName ?? own.FullName;
        var root = own;
        while (root is not null && !Directory.Exists(Path.Combine(root.FullName, "samples", "Bookinfo", "mesh")))
        {
            root = root.Parent;
        }

        Root = root?.FullName
            ?? throw new LauncherException($"samples/Bookinfo was not found in any directory above {own.FullName}.");
        Sources = Path.Combine(Root, "samples", "Bookinfo");
        Rules = Path.Combine(Sources, "mesh");
        _logs = Path.Combine(Root, "artifacts", "bookinfo");
    }

    public string Root { get; }

    public string Sources { get; }

    /// <summary>The directory with the rules.</summary>
    public string Rules { get; }

    /// <summary>The runtime that runs the launcher, so that the services need no installed one.</summary>
    public static string DotnetRoot { get; } =
        Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));

    /// <summary>The directory with the rules that <c>--mtls</c> adds.</summary>
    public string MtlsRules => Path.Combine(Sources, "mesh-mtls");

    public string Program(ServiceDefinition definition)
    {
        var name = OperatingSystem.IsWindows() ? $"{definition.Project}.exe" : definition.Project;
        var path = Path.Combine(_binaries, definition.Project, _configuration, name);
        return File.Exists(path)
            ? path
            : throw new LauncherException($"{definition.Project} is not built: there is no {path}.");
    }

    /// <summary>A file for what a program of that name prints.</summary>
    public StreamWriter OpenLog(string name)
    {
        Directory.CreateDirectory(_logs);
        try
        {
            return Open($"{name}.log");
        }
        catch (IOException)
        {
            // Another launcher writes there.
            return Open($"{name}.{Environment.ProcessId}.log");
        }

        StreamWriter Open(string file)
        {
            var stream = new FileStream(Path.Combine(_logs, file), FileMode.Create, FileAccess.Write, FileShare.Read);
            return new StreamWriter(stream) { AutoFlush = true };
        }
    }
}
