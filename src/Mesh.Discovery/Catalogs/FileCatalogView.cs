using System.IO.Enumeration;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Catalogs;

/// <summary>
/// What one watcher of a <see cref="FileCatalog"/> has seen, brought up to date by each <see cref="Poll"/>.
/// </summary>
/// <remarks>
/// <para>
/// Life. A document whose time of modification keeps changing belongs to a living process. Only at first sight is its
/// age taken from the wall clock; from then on it is the time on the watcher's own monotonic clock since the last
/// change. So a wall clock that jumps neither kills the living nor keeps the dead: a document from the future counts as
/// fresh, but has to go on changing. Without a change for Expiry the instance leaves the view.
/// </para>
/// <para>
/// Doubt. After a poll that came late (more than half of Expiry after the one before: the machine slept, the process
/// was stopped, the processors are overloaded), and after one that failed, the others may have beaten without being seen,
/// or may not have been able to. Nothing expires then before half of Expiry has passed, and documents missing after a
/// failure are believed to be gone only after that time, because whoever owns one writes it anew.
/// </para>
/// <para>
/// Content. A heartbeat cannot be told from an edit without reading the file: .NET has no inode and, on Linux, no time
/// of creation. So a file is read whenever its time of modification or length has changed, some ten microseconds; what
/// was read is compared as bytes and only parsed if it differs. A bad version is named once in the log, and the last
/// good one stays.
/// </para>
/// <para>Not safe for concurrent use.</para>
/// </remarks>
internal sealed partial class FileCatalogView
{
    /// <summary>Documents dead for this long are deleted by whoever sees them.</summary>
    public static readonly TimeSpan SweepAge = TimeSpan.FromHours(1);

    private readonly string _directory;
    private readonly FileCatalogOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ICatalogObserver _observer;
    private readonly Dictionary<string, FileCatalogEntry> _entries = new(StringComparer.Ordinal);
    private readonly Dictionary<string, FileCatalogEntry>.AlternateLookup<ReadOnlySpan<char>> _byName;
    private readonly Dictionary<ServiceName, Endpoint[]> _published = [];
    private readonly HashSet<ServiceName> _changed = [];
    private readonly byte[] _buffer = new byte[FileCatalogDocument.MaxBytes + 1];
    private long _round;
    private long _now;
    private DateTimeOffset _wallNow;
    private long? _lastPoll;
    private long? _doubtUntil;
    private bool _failing;
    private bool _synced;

    public FileCatalogView(
        string directory, FileCatalogOptions options, TimeProvider time, ILogger logger, ICatalogObserver observer)
    {
        _directory = directory;
        _options = options;
        _time = time;
        _logger = logger;
        _observer = observer;
        _byName = _entries.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>Reads the directory and reports the services that changed. A failure is logged and changes nothing.</summary>
    public void Poll()
    {
        _round++;
        _now = _time.GetTimestamp();
        _wallNow = _time.GetUtcNow();
        var late = _lastPoll is { } last && _time.GetElapsedTime(last, _now) > _options.PollInterval + (_options.Expiry / 2);
        _lastPoll = _now;
        try
        {
            ReadDirectory();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            if (!_failing)
            {
                _failing = true;
                Log.DirectoryFailed(_logger, _directory, exception);
            }

            return;
        }

        if (_failing)
        {
            _failing = false;
            Log.DirectoryRecovered(_logger, _directory);
            _doubtUntil = _now + Ticks(_options.Expiry / 2);
            GiveTime();
        }
        else if (late)
        {
            GiveTime();
        }

        Age();
        Publish();
    }

    private void ReadDirectory()
    {
        var files = new FileSystemEnumerable<FileCatalogEntry?>(_directory, See, new EnumerationOptions
        {
            AttributesToSkip = 0,
            IgnoreInaccessible = false,
        })
        {
            ShouldIncludePredicate = static (ref FileSystemEntry file) => IsOurs(ref file),
        };
        foreach (var entry in files)
        {
            if (entry is not null)
            {
                Read(entry);
            }
        }
    }

    private static bool IsOurs(ref FileSystemEntry file)
    {
        var name = file.FileName;
        var extension = name[0] == '.' ? FileCatalogDirectory.TemporaryExtension : FileCatalogDirectory.Extension;
        return name.EndsWith(extension, StringComparison.Ordinal) && !file.IsDirectory;
    }

    /// <summary>Takes down the signs of life of one file.</summary>
    /// <returns>The entry if its content must be read, otherwise null.</returns>
    private FileCatalogEntry? See(ref FileSystemEntry file)
    {
        var stamp = new FileStamp(file.Length, file.LastWriteTimeUtc);
        if (file.FileName[0] == '.')
        {
            SweepTemporary(file.ToFullPath(), stamp);
            return null;
        }

        if (!_byName.TryGetValue(file.FileName, out var entry))
        {
            entry = new FileCatalogEntry(file.FileName.ToString()) { AliveAt = _now - Ticks(AgeAtFirstSight(stamp)) };
            _entries.Add(entry.Name, entry);
        }
        else if (entry.Stamp.Modified != stamp.Modified)
        {
            entry.AliveAt = _now;
        }

        var mustRead = entry.ReadAt is not { } readAt
            || entry.Stamp != stamp
            || (entry.Content is null && _time.GetElapsedTime(readAt, _now) >= _options.Expiry);
        entry.Stamp = stamp;
        entry.Round = _round;
        return mustRead ? entry : null;
    }

    private TimeSpan AgeAtFirstSight(FileStamp stamp)
    {
        var age = _wallNow - stamp.Modified;
        return age < TimeSpan.Zero ? TimeSpan.Zero
            : age > _options.Expiry ? _options.Expiry + TimeSpan.FromMilliseconds(1)
            : age;
    }

    private void Read(FileCatalogEntry entry)
    {
        entry.ReadAt = _now;
        ReadOnlySpan<byte> content;
        try
        {
            content = ReadFile(entry);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            // Withdrawn since the directory was listed.
            entry.Round = 0;
            return;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            entry.Content = null;
            Skip(entry, exception.Message);
            return;
        }

        if (content.Length is 0 or > FileCatalogDocument.MaxBytes)
        {
            entry.Content = null;
            Skip(entry, content.Length == 0
                ? "it is empty"
                : $"it has {entry.Stamp.Length} bytes and {FileCatalogDocument.MaxBytes} are allowed");
            return;
        }

        if (entry.Content is not null && content.SequenceEqual(entry.Content))
        {
            return;
        }

        entry.Content = content.ToArray();
        var (instance, problem) = FileCatalogDocument.Read(content);
        if (problem is not null)
        {
            entry.Problem = null;
            Skip(entry, problem);
            return;
        }

        entry.Problem = null;
        MarkChanged(entry);
        entry.Instance = instance;
        MarkChanged(entry);
    }

    private ReadOnlySpan<byte> ReadFile(FileCatalogEntry entry)
    {
        var path = Path.Combine(_directory, entry.Name);

        // A file that vanished after the directory was listed has this length as well. And a named pipe, which we must
        // not open: that would wait for its other end.
        if (entry.Stamp.Length == 0)
        {
            return File.Exists(path) ? default : throw new FileNotFoundException(null, path);
        }

        const FileShare All = FileShare.ReadWrite | FileShare.Delete;
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, All);
        var length = 0;
        while (length < _buffer.Length && RandomAccess.Read(file, _buffer.AsSpan(length), length) is > 0 and var read)
        {
            length += read;
        }

        return _buffer.AsSpan(0, length);
    }

    private void Skip(FileCatalogEntry entry, string problem)
    {
        if (entry.Problem != problem)
        {
            entry.Problem = problem;
            Log.DocumentSkipped(_logger, Path.Combine(_directory, entry.Name), problem, entry.Instance is not null);
        }
    }

    private void GiveTime()
    {
        var earliest = _now - Ticks(_options.Expiry - (_options.Expiry / 2));
        foreach (var entry in _entries.Values)
        {
            if (entry.Alive && entry.AliveAt < earliest)
            {
                entry.AliveAt = earliest;
            }
        }
    }

    private void Age()
    {
        var believeDeletions = _doubtUntil is null || _now >= _doubtUntil;
        foreach (var entry in _entries.Values)
        {
            if (entry.Round != _round && believeDeletions)
            {
                SetAlive(entry, false);
                _entries.Remove(entry.Name);
                continue;
            }

            var silence = _time.GetElapsedTime(entry.AliveAt, _now);
            SetAlive(entry, silence <= _options.Expiry);
            if (silence > 2 * _options.Expiry)
            {
                Sweep(entry);
            }
        }
    }

    private void SetAlive(FileCatalogEntry entry, bool alive)
    {
        if (entry.Alive != alive)
        {
            entry.Alive = alive;
            MarkChanged(entry);
        }
    }

    private void MarkChanged(FileCatalogEntry entry)
    {
        if (entry.Instance is { } instance)
        {
            _changed.Add(instance.Service);
        }
    }

    private void Publish()
    {
        if (_changed.Count > 0)
        {
            PublishChanged();
        }

        if (!_synced)
        {
            _synced = true;
            _observer.Synced();
        }
    }

    private void PublishChanged()
    {
        var instances = new Dictionary<ServiceName, List<FileCatalogInstance>>(_changed.Count);
        foreach (var entry in _entries.Values)
        {
            if (entry is { Alive: true, Instance: { } instance } && _changed.Contains(instance.Service))
            {
                (CollectionsMarshal.GetValueRefOrAddDefault(instances, instance.Service, out _) ??= []).Add(instance);
            }
        }

        foreach (var service in _changed)
        {
            Endpoint[] endpoints = instances.TryGetValue(service, out var found) ? OnePerAddress(found) : [];
            var before = _published.GetValueOrDefault(service, []);
            if (endpoints.AsSpan().SequenceEqual(before))
            {
                continue;
            }

            if (endpoints.Length == 0)
            {
                _published.Remove(service);
            }
            else
            {
                _published[service] = endpoints;
            }

            _observer.ServiceChanged(service, endpoints);
        }

        _changed.Clear();
    }

    /// <summary>
    /// Of two instances at one address the later one counts: the other's process died and left its document behind.
    /// </summary>
    private static Endpoint[] OnePerAddress(List<FileCatalogInstance> instances) =>
    [
        .. instances
            .OrderByDescending(static instance => instance.StartedAt)
            .ThenBy(static instance => instance.Endpoint.ToString(), StringComparer.Ordinal)
            .DistinctBy(static instance => instance.Endpoint.Address)
            .Select(static instance => instance.Endpoint)
            .OrderBy(static endpoint => endpoint.Address.AbsoluteUri, StringComparer.Ordinal),
    ];

    /// <summary>
    /// Deletes what has been dead for long. Only documents that are certainly ours, and only if this watcher itself has
    /// seen no sign of life for Expiry. Should the owner wake up in this very moment, it writes its document anew.
    /// </summary>
    private void Sweep(FileCatalogEntry entry)
    {
        if (entry.Instance is null || entry.Problem is not null || entry.Unsweepable
            || _wallNow - entry.Stamp.Modified < SweepAge)
        {
            return;
        }

        var path = Path.Combine(_directory, entry.Name);
        try
        {
            if (File.GetLastWriteTimeUtc(path) == entry.Stamp.Modified.UtcDateTime)
            {
                File.Delete(path);
                Log.DocumentSwept(_logger, path);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            entry.Unsweepable = true;
            Log.SweepFailed(_logger, path, exception);
        }
    }

    private void SweepTemporary(string path, FileStamp stamp)
    {
        if (_round != 1 || _wallNow - stamp.Modified < SweepAge)
        {
            return;
        }

        try
        {
            File.Delete(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            Log.SweepFailed(_logger, path, exception);
        }
    }

    private long Ticks(TimeSpan time) => (long)(time.TotalSeconds * _time.TimestampFrequency);

    private static partial class Log
    {
        [LoggerMessage(EventId = 1120, Level = LogLevel.Warning, Message =
            "The document '{Path}' in the File catalog is skipped: {Problem}. A last good version stays in use: {HasGood}.")]
        public static partial void DocumentSkipped(ILogger logger, string path, string problem, bool hasGood);

        [LoggerMessage(EventId = 1121, Level = LogLevel.Error, Message =
            "The File catalog's directory '{Directory}' cannot be read. The last view stays in use, and reading is retried.")]
        public static partial void DirectoryFailed(ILogger logger, string directory, Exception exception);

        [LoggerMessage(EventId = 1122, Level = LogLevel.Information, Message =
            "The File catalog's directory '{Directory}' can be read again.")]
        public static partial void DirectoryRecovered(ILogger logger, string directory);

        [LoggerMessage(EventId = 1123, Level = LogLevel.Information, Message =
            "Deleted '{Path}' from the File catalog: its process has been gone for long.")]
        public static partial void DocumentSwept(ILogger logger, string path);

        [LoggerMessage(EventId = 1124, Level = LogLevel.Debug, Message = "'{Path}' is dead, but cannot be deleted.")]
        public static partial void SweepFailed(ILogger logger, string path, Exception exception);
    }
}
