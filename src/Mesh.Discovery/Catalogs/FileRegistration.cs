using System.Security.Cryptography;
using Mesh.Discovery.Security;
using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Catalogs;

/// <summary>
/// One instance's document in a <see cref="FileCatalog"/>: keeps its time of modification at the present, writes it
/// anew if somebody deleted it, and deletes it when disposed.
/// </summary>
internal sealed partial class FileRegistration : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly string _directory;
    private readonly string _path;
    private readonly byte[] _document;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private ITimer? _timer;
    private bool _failing;
    private bool _disposed;

    private FileRegistration(string path, byte[] document, TimeProvider time, ILogger logger)
    {
        _directory = Path.GetDirectoryName(path)!;
        _path = path;
        _document = document;
        _time = time;
        _logger = logger;
    }

    /// <summary>Writes the document and starts its heartbeat.</summary>
    /// <exception cref="IOException">It cannot be written, or a living instance has the same id.</exception>
    /// <exception cref="UnauthorizedAccessException">It cannot be written.</exception>
    public static FileRegistration Start(
        string path, byte[] document, FileCatalogOptions options, TimeProvider time, ILogger logger)
    {
        var registration = new FileRegistration(path, document, time, logger);
        try
        {
            registration.Write();
        }
        catch (IOException) when (File.Exists(path))
        {
            if (time.GetUtcNow() - File.GetLastWriteTimeUtc(path) <= options.Expiry)
            {
                throw new IOException($"An instance with the same id is alive: its document is '{path}'.");
            }

            File.Delete(path);
            registration.Write();
        }

        // The heartbeat must not carry the caller's trace or other ambient state along for the life of the process.
        using (ExecutionContext.SuppressFlow())
        {
            registration._timer = time.CreateTimer(
                static state => ((FileRegistration)state!).Beat(),
                registration,
                options.HeartbeatInterval,
                options.HeartbeatInterval);
        }

        return registration;
    }

    public async ValueTask DisposeAsync()
    {
        if (_timer is not null)
        {
            await _timer.DisposeAsync().ConfigureAwait(false);
        }

        // A beat that is still running would bring the document back, hence the lock and the flag.
        lock (_lock)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            try
            {
                File.Delete(_path);
            }
            catch (DirectoryNotFoundException)
            {
                // Then the document is gone as well.
            }
        }
    }

    private void Beat()
    {
        lock (_lock)
        {
            if (_disposed)
            {
                return;
            }

            try
            {
                Touch();
                if (_failing)
                {
                    _failing = false;
                    Log.HeartbeatRecovered(_logger, _path);
                }
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                if (!_failing)
                {
                    _failing = true;
                    Log.HeartbeatFailed(_logger, _path, exception);
                }
            }
        }
    }

    private void Touch()
    {
        try
        {
            File.SetLastWriteTimeUtc(_path, _time.GetUtcNow().UtcDateTime);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            PrivateDirectory.Create(_directory);
            Write();
            Log.DocumentRestored(_logger, _path);
        }
    }

    private void Write()
    {
        var name = $".{Path.GetFileName(_path)}.{RandomNumberGenerator.GetHexString(16, lowercase: true)}";
        var temporary = Path.Combine(_directory, name + FileCatalogDirectory.TemporaryExtension);
        try
        {
            var options = new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                BufferSize = 0,
            };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            using (var stream = new FileStream(temporary, options))
            {
                stream.Write(_document);
            }

            File.SetLastWriteTimeUtc(temporary, _time.GetUtcNow().UtcDateTime);
            File.Move(temporary, _path, overwrite: false);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(EventId = 1110, Level = LogLevel.Warning, Message =
            "The heartbeat of '{Path}' failed; it goes on, but other processes may stop seeing this instance.")]
        public static partial void HeartbeatFailed(ILogger logger, string path, Exception exception);

        [LoggerMessage(EventId = 1111, Level = LogLevel.Information, Message = "The heartbeat of '{Path}' works again.")]
        public static partial void HeartbeatRecovered(ILogger logger, string path);

        [LoggerMessage(EventId = 1112, Level = LogLevel.Warning, Message =
            "Somebody deleted '{Path}'; it has been written again.")]
        public static partial void DocumentRestored(ILogger logger, string path);
    }
}
