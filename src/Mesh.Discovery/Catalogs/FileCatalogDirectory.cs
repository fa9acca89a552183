using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Catalogs;

/// <summary>
/// Where the documents of a <see cref="FileCatalog"/> lie, what they are called, and who may write there: whoever can
/// write in the directory decides where traffic goes.
/// </summary>
internal static partial class FileCatalogDirectory
{
    public const string Extension = ".json";
    public const string TemporaryExtension = ".mesh-tmp";

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode OthersMayWrite = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;

    /// <summary>Finds the directory, and creates it for its owner alone if it is not there.</summary>
    /// <exception cref="IOException">It cannot be made, or it is the default one and others could write.</exception>
    /// <exception cref="UnauthorizedAccessException">It cannot be made.</exception>
    public static string Prepare(string configured, string contentRoot, ILogger logger)
    {
        if (configured.Length == 0)
        {
            return PrepareDefault(
                Environment.GetFolderPath(
                    Environment.SpecialFolder.LocalApplicationData,
                    Environment.SpecialFolderOption.DoNotVerify),
                Path.GetTempPath());
        }

        var directory = Path.GetFullPath(configured, contentRoot);
        Create(directory);
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(directory) & OthersMayWrite) != 0)
        {
            Log.OthersMayWrite(logger, directory);
        }

        return directory;
    }

    /// <summary>The default: below the user's data, or where that cannot be used the temporary directory.</summary>
    public static string PrepareDefault(string localApplicationData, string temporary)
    {
        if (localApplicationData.Length > 0)
        {
            var parent = Path.Combine(localApplicationData, "mesh");
            var directory = Path.Combine(parent, "catalog");
            try
            {
                Create(directory);
                Refuse(parent);
                Refuse(directory);
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
                "The File catalog has no directory: the local application data of the user root cannot be written to."
                + " Name one in Mesh:Discovery:File:Path.");
        }

        var ownTemporary = Path.Combine(temporary, $"mesh-{Safe(Environment.UserName, 60)}");
        var fallback = Path.Combine(ownTemporary, "catalog");
        Create(ownTemporary);
        Refuse(ownTemporary);
        Create(fallback);
        Refuse(fallback);
        return fallback;
    }

    /// <summary>A file name for an instance, whatever its service and id are made of.</summary>
    public static string FileName(ServiceInstance instance)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{instance.Service.Host}\n{instance.Id}"));
        return $"{Safe(instance.Id, 80)}-{Convert.ToHexStringLower(hash.AsSpan(0, 8))}{Extension}";
    }

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

    private static bool CannotBeMade(Exception exception, string directory) =>
        exception is IOException or UnauthorizedAccessException && !Directory.Exists(directory);

    private static void Refuse(string directory)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        var reason = "";
        if (new DirectoryInfo(directory).LinkTarget is { } target)
        {
            reason = $"it is a symbolic link to '{target}'";
        }
        else
        {
            var mode = File.GetUnixFileMode(directory);
            if ((mode & OthersMayWrite) != 0)
            {
                reason = $"other users may write to it (mode {Convert.ToString((int)mode, 8)})";
            }
            else
            {
                try
                {
                    // Only the owner may do this: .NET has no other way to ask who that is.
                    File.SetUnixFileMode(directory, mode);
                    return;
                }
                catch (UnauthorizedAccessException)
                {
                    reason = "it belongs to another user";
                }
            }
        }

        throw new IOException(
            $"The directory '{directory}' of the File catalog is refused: {reason}, so that others could add endpoints."
            + " Make it yours alone (chmod 700) or name another one in Mesh:Discovery:File:Path.");
    }

    private static string Safe(string text, int length)
    {
        var kept = text.Length > length ? text.AsSpan(0, length) : text;
        var safe = new StringBuilder(kept.Length);
        foreach (var letter in kept)
        {
            safe.Append(char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_' ? letter : '_');
        }

        return safe.ToString();
    }

    private static partial class Log
    {
        [LoggerMessage(EventId = 1100, Level = LogLevel.Warning, Message =
            "Other users may write to the File catalog's directory '{Directory}', and add endpoints. chmod 700 ends that.")]
        public static partial void OthersMayWrite(ILogger logger, string directory);
    }
}
