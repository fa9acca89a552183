using System.Security.Cryptography;
using System.Text;
using Mesh.Discovery.Security;
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

    private static readonly DirectoryUse s_use =
        new("catalog", "File catalog", "others could add endpoints", "Mesh:Discovery:File:Path");

    /// <summary>Finds the directory, and creates it for its owner alone if it is not there.</summary>
    /// <exception cref="IOException">It cannot be made, or it is the default one and others could write.</exception>
    /// <exception cref="UnauthorizedAccessException">It cannot be made.</exception>
    public static string Prepare(string configured, string contentRoot, ILogger logger)
    {
        if (configured.Length == 0)
        {
            return PrivateDirectory.PrepareDefault(s_use);
        }

        var directory = Path.GetFullPath(configured, contentRoot);
        PrivateDirectory.Create(directory);
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(directory) & PrivateDirectory.OthersMayWrite) != 0)
        {
            Log.OthersMayWrite(logger, directory);
        }

        return directory;
    }

    /// <summary>The default: below the user's data, or where that cannot be used the temporary directory.</summary>
    public static string PrepareDefault(string localApplicationData, string temporary) =>
        PrivateDirectory.PrepareDefault(s_use, localApplicationData, temporary);

    /// <summary>A file name for an instance, whatever its service and id are made of.</summary>
    public static string FileName(ServiceInstance instance)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{instance.Service.Host}\n{instance.Id}"));
        return $"{PrivateDirectory.Safe(instance.Id, 80)}-{Convert.ToHexStringLower(hash.AsSpan(0, 8))}{Extension}";
    }

    private static partial class Log
    {
        [LoggerMessage(EventId = 1100, Level = LogLevel.Warning, Message =
            "Other users may write to the File catalog's directory '{Directory}', and add endpoints. chmod 700 ends that.")]
        public static partial void OthersMayWrite(ILogger logger, string directory);
    }
}
