namespace Mesh.IntegrationTests;

/// <summary>Where things are in the clone that the tests run from.</summary>
internal static class Repository
{
    private static readonly DirectoryInfo s_binaries =
        new(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory));

    public static string Root { get; } = FindRoot();

    /// <summary>A file or directory below the root.</summary>
    public static string At(params string[] parts) => Path.Combine([Root, .. parts]);

    /// <summary>A built program of another project, in the configuration of the tests.</summary>
    public static string Program(string project) => Path.Combine(
        s_binaries.Parent!.Parent!.FullName,
        project,
        s_binaries.Name,
        OperatingSystem.IsWindows() ? $"{project}.exe" : project);

    private static string FindRoot()
    {
        var directory = s_binaries;
        while (!File.Exists(Path.Combine(directory.FullName, "Mesh.Library.sln")))
        {
            directory = directory.Parent
                ?? throw new InvalidOperationException($"There is no Mesh.Library.sln above {s_binaries.FullName}.");
        }

        return directory.FullName;
    }
}
