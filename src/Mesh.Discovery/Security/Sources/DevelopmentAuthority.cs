using System.Globalization;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Security.Sources;

/// <summary>The directory with the roots of the development authority, which the processes of one user share.</summary>
/// <remarks>
/// One file for each root, <c>root-000001.pem</c>, with the certificate and the key, readable by its owner only. A root is
/// written under another name and then moved to the next free number, which succeeds for one process only: of several that
/// start at once, one makes the root and the others find it. What a crash leaves behind is a file with a temporary name,
/// which the next one who makes a root deletes. Not safe for concurrent use.
/// </remarks>
internal sealed partial class DevelopmentAuthority
{
    private const string Prefix = "root-";
    private const string Extension = ".pem";
    private const string TemporaryExtension = ".mesh-tmp";
    private const int MaxFile = 64 * 1024;
    private const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    /// <summary>What a crash has left is at least that old; what another process writes just now is not.</summary>
    private static readonly TimeSpan s_leftBehind = TimeSpan.FromMinutes(1);

    private static readonly DirectoryUse s_use = new(
        "authority", "development authority", "others could make themselves identities", "Mesh:Security:Certificates:Development:Path");

    private readonly string _path;
    private readonly TimeSpan _lifetime;
    private readonly ILogger _logger;
    private readonly Dictionary<string, Known> _known = new(StringComparer.Ordinal);
    private string? _directory;
    private string? _told;

    /// <param name="path">The directory; empty for the default one.</param>
    /// <param name="lifetime">Of roots.</param>
    /// <param name="logger">Where bad files are told.</param>
    public DevelopmentAuthority(string path, TimeSpan lifetime, ILogger logger)
    {
        _path = path;
        _lifetime = lifetime;
        _logger = logger;
    }

    /// <summary>The roots that are valid now, the oldest first; there is one at least. Makes one if it is time.</summary>
    /// <exception cref="IOException">The directory is refused, or cannot be read or written.</exception>
    /// <exception cref="UnauthorizedAccessException">The directory cannot be read or written.</exception>
    public IReadOnlyList<DevelopmentRoot> Look(DateTimeOffset now)
    {
        if (_directory is null || !Directory.Exists(_directory))
        {
            _directory = Prepare();
        }

        while (true)
        {
            var highest = Scan();
            var valid = _known.Values.Select(static known => known.Root).OfType<DevelopmentRoot>()
                .Where(root => root.NotAfter > now).OrderBy(static root => root.Generation).ToArray();
            if (valid.Length > 0 && !valid[^1].IsOld(now))
            {
                return valid;
            }

            try
            {
                if (Make(highest + 1, now) is { } made)
                {
                    Check(made);
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException && valid.Length > 0)
            {
                // The present root is good for another while.
                Tell($"no successor of the root in {_directory} can be made: {e.Message}");
                return valid;
            }
        }
    }

    private string Prepare()
    {
        if (_path.Length == 0)
        {
            return PrivateDirectory.PrepareDefault(s_use);
        }

        PrivateDirectory.Create(_path);
        PrivateDirectory.Refuse(_path, s_use);
        return _path;
    }

    /// <returns>The highest number of a file, whether it is good or not.</returns>
    private int Scan()
    {
        var highest = 0;
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var file in new DirectoryInfo(_directory!).EnumerateFiles(Prefix + "*" + Extension))
        {
            if (!int.TryParse(
                file.Name.AsSpan(Prefix.Length, file.Name.Length - Prefix.Length - Extension.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var generation))
            {
                continue;
            }

            highest = Math.Max(highest, generation);
            seen.Add(file.Name);
            var stamp = (file.LastWriteTimeUtc, file.Length);
            if (!_known.TryGetValue(file.Name, out var known) || known.Stamp != stamp)
            {
                Read(file, generation, stamp);
            }
        }

        foreach (var gone in _known.Keys.Where(name => !seen.Contains(name)).ToArray())
        {
            _known.Remove(gone);
        }

        return highest;
    }

    private void Read(FileInfo file, int generation, (DateTime Written, long Length) stamp)
    {
        try
        {
            if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(file.FullName) & Others) is not UnixFileMode.None)
            {
                throw new CryptographicException("others may read or write it, so that it cannot be trusted any more; delete it");
            }

            if (file.Length > MaxFile)
            {
                throw new CryptographicException($"it has {file.Length} bytes, {MaxFile} are allowed");
            }

            _known[file.Name] = new Known(DevelopmentRoot.Read(generation, File.ReadAllText(file.FullName)), stamp);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            _known[file.Name] = new Known(null, stamp);
            Tell($"{file.FullName} is not used: {e.Message}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What was read before stays; it is read again the next time.
            Tell($"{file.FullName} cannot be read: {e.Message}");
        }
    }

    /// <summary>On a file system without permissions no root would ever be good, and more would be made without end.</summary>
    private void Check(FileInfo made)
    {
        Scan();
        if (_known.TryGetValue(made.Name, out var known) && known.Root is null)
        {
            made.Delete();
            throw new IOException($"A root of the development authority cannot be kept in '{_directory}': {_told}");
        }
    }

    /// <summary>Makes a root; null if another process is faster.</summary>
    private FileInfo? Make(int generation, DateTimeOffset now)
    {
        var name = Path.Combine(_directory!, string.Create(CultureInfo.InvariantCulture, $"{Prefix}{generation:D6}{Extension}"));
        var temporary = Path.Combine(_directory!, $"{Guid.NewGuid():N}{TemporaryExtension}");
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        try
        {
            using (var file = new FileStream(temporary, options))
            using (var writer = new StreamWriter(file))
            {
                writer.Write(DevelopmentRoot.Write(generation, now, _lifetime));
                writer.Flush();
                file.Flush(flushToDisk: true);
            }

            CleanUp(temporary);
            File.Move(temporary, name, overwrite: false);
            Log.Made(_logger, name);
            return new FileInfo(name);
        }
        catch (IOException) when (File.Exists(name))
        {
            // Another process was faster.
            File.Delete(temporary);
            return null;
        }
    }

    /// <summary>Deletes what crashes have left; ages are by the clock of the file system.</summary>
    private void CleanUp(string own)
    {
        var present = File.GetLastWriteTimeUtc(own);
        foreach (var file in new DirectoryInfo(_directory!).EnumerateFiles("*" + TemporaryExtension))
        {
            if (present - file.LastWriteTimeUtc > s_leftBehind)
            {
                file.Delete();
            }
        }
    }

    private void Tell(string problem)
    {
        if (_told != problem)
        {
            _told = problem;
            Log.Problem(_logger, problem);
        }
    }

    /// <summary>A file; <see cref="Root"/> is null if it is not good.</summary>
    private sealed record Known(DevelopmentRoot? Root, (DateTime Written, long Length) Stamp);

    private static partial class Log
    {
        [LoggerMessage(156, LogLevel.Information, "A root of the development authority was made: {File}. All processes of this user trust it.")]
        public static partial void Made(ILogger logger, string file);

        [LoggerMessage(157, LogLevel.Warning, "The development authority: {Problem}")]
        public static partial void Problem(ILogger logger, string problem);
    }
}
