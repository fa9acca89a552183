namespace Mesh.Discovery.Tests;

/// <summary>Where things are in the clone that the tests run from.</summary>
internal static class Clone
{
    private static readonly string s_root = FindRoot();

    /// <summary>A file or directory below the root.</summary>
    public static string At(params string[] parts) => Path.Combine([s_root, .. parts]);

    private static string FindRoot()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory.FullName, "Mesh.Library.sln")))
        {
            directory = directory.Parent
                ?? throw new InvalidOperationException(
                    $"There is no Mesh.Library.sln above {AppContext.BaseDirectory}.");
        }

        return directory.FullName;
    }
}
