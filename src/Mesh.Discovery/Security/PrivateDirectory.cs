using System.Text;

namespace Mesh.Discovery.Security;

/// <summary>Directories in which nobody but their owner may write, because whoever can decides what the mesh does.</summary>
internal static class PrivateDirectory
{
    public const UnixFileMode OthersMayWrite = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>The default directory of a use: below the user's data, or where that cannot be used the temporary directory.</summary>
    /// <exception cref="IOException">It cannot be made, or is not this user's alone.</exception>
    public static string PrepareDefault(DirectoryUse use) => PrepareDefault(
        use,
        Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify),
        Path.GetTempPath());

    public static string PrepareDefault(DirectoryUse use, string localApplicationData, string temporary)
    {
        if (localApplicationData.Length > 0)
        {
            var parent = Path.Combine(localApplicationData, "mesh");
            var directory = Path.Combine(parent, use.Name);
            try
            {
                Create(directory);
                Refuse(parent, use);
                Refuse(directory, use);
                return directory;
            }
            catch (Exception exception) when (CannotBeMade(exception, directory))
            {
                // A user without a home, or with one on a read-only file system.
            }
        }

        // Root may change every directory, so that the test for an owner in Refuse says nothing, and anybody could have
        // made this one in a directory that all may write to.
        if (!OperatingSystem.IsWindows() && Environment.IsPrivilegedProcess)
        {
            throw new IOException(
                $"The {use.What} has no directory: the local application data of the user root cannot be written to."
                + $" Name one in {use.Setting}.");
        }

        var ownTemporary = Path.Combine(temporary, $"mesh-{Safe(Environment.UserName, 60)}");
        var fallback = Path.Combine(ownTemporary, use.Name);
        Create(ownTemporary);
        Refuse(ownTemporary, use);
        Create(fallback);
        Refuse(fallback, use);
        return fallback;
    }

    /// <summary>Creates a directory for its owner alone if it is not there.</summary>
    public static void Create(string directory)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(directory);
        }
        else
        {
            Directory.CreateDirectory(directory, OwnerOnly);
        }
    }

    /// <exception cref="IOException">The directory is a link, or others own it or may write to it.</exception>
    public static void Refuse(string directory, DirectoryUse use)
    {
        if (Problem(directory) is { } problem)
        {
            throw new IOException(
                $"The directory '{directory}' of the {use.What} is refused: {problem}, so that {use.Danger}."
                + $" Make it yours alone (chmod 700) or name another one in {use.Setting}.");
        }
    }

    /// <summary>The text as part of a file name.</summary>
    public static string Safe(string text, int length)
    {
        var kept = text.Length > length ? text.AsSpan(0, length) : text;
        var safe = new StringBuilder(kept.Length);
        foreach (var letter in kept)
        {
            safe.Append(char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_' ? letter : '_');
        }

        return safe.ToString();
    }

    private static bool CannotBeMade(Exception exception, string directory) =>
        exception is IOException or UnauthorizedAccessException && !Directory.Exists(directory);

    private static string? Problem(string directory)
    {
        if (OperatingSystem.IsWindows())
        {
            return null;
        }

        if (new DirectoryInfo(directory).LinkTarget is { } target)
        {
            return $"it is a symbolic link to '{target}'";
        }

        var mode = File.GetUnixFileMode(directory);
        if ((mode & OthersMayWrite) != 0)
        {
            return $"other users may write to it (mode {Convert.ToString((int)mode, 8)})";
        }

        try
        {
            // Only the owner may do this: .NET has no other way to ask who that is.
            File.SetUnixFileMode(directory, mode);
            return null;
        }
        catch (UnauthorizedAccessException)
        {
            return "it belongs to another user";
        }
    }
}

/// <summary>What a private directory is for.</summary>
/// <param name="Name">Its last part.</param>
/// <param name="What">Whose it is: <c>File catalog</c>.</param>
/// <param name="Danger">What others could do there.</param>
/// <param name="Setting">Where another one is named.</param>
internal sealed record DirectoryUse(string Name, string What, string Danger, string Setting);
