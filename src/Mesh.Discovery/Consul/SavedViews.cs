using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Consul;

/// <summary>
/// The last good answer to every query, on disk: one file each, so that a process can start while Consul is out of reach.
/// Written at most once a second for each query, under another name first, and readable by this user only.
/// </summary>
/// <remarks>Safe for concurrent use, also by several processes. What cannot be written is told once and left out.</remarks>
internal sealed partial class SavedViews : IDisposable
{
    /// <summary>The <see cref="ConsulOptions.SavedViewPath"/> that saves nothing.</summary>
    public const string Nothing = "none";

    private const int MaxFile = 64 * 1024 * 1024;

    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(1);

    /// <summary>After a failure; disks are full for longer than a second.</summary>
    private static readonly TimeSpan s_again = TimeSpan.FromSeconds(30);

    private readonly Lock _lock = new();
    private readonly string? _directory;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Dictionary<string, byte[]> _pending = new(StringComparer.Ordinal);
    private readonly ITimer _timer;
    private bool _isScheduled;
    private bool _hasFailed;
    private bool _isDisposed;

    /// <param name="directory">Where; null saves nothing.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Where failures are told.</param>
    public SavedViews(string? directory, TimeProvider time, ILogger logger)
    {
        _directory = directory;
        _time = time;
        _logger = logger;
        _timer = time.CreateTimer(static state => ((SavedViews)state!).Write(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>The directory of a process: all instances of one service that talk to one agent share it.</summary>
    public static string? DirectoryOf(MeshOptions options, string contentRoot)
    {
        var consul = options.Discovery.Consul;
        if (consul.SavedViewPath == Nothing)
        {
            return null;
        }

        var root = consul.SavedViewPath.Length > 0
            ? Path.Combine(contentRoot, consul.SavedViewPath)
            : Path.Combine(
                Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify),
                "mesh",
                "consul");
        var source = Hash($"{consul.Address} {consul.Datacenter} {options.Config.Consul.KeyPrefix}");
        return Path.Combine(root, $"{options.Service}.{options.Namespace}-{source[..8]}");
    }

    /// <summary>The queries that have a saved answer.</summary>
    public IReadOnlyList<string> Queries()
    {
        if (_directory is null || !Directory.Exists(_directory))
        {
            return [];
        }

        try
        {
            return [.. Directory.EnumerateFiles(_directory, "*.json").Select(Read).OfType<SavedView>().Select(static view => view.Query)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Fail(e);
            return [];
        }
    }

    /// <summary>Keeps an answer, soon.</summary>
    public void Save(string query, byte[] body)
    {
        if (_directory is null)
        {
            return;
        }

        lock (_lock)
        {
            _pending[query] = body;
            if (!_isScheduled)
            {
                _isScheduled = true;
                _timer.Change(s_interval, Timeout.InfiniteTimeSpan);
            }
        }
    }

    /// <summary>The saved answer; null if there is none that can be read.</summary>
    public SavedView? Load(string query)
    {
        if (_directory is null)
        {
            return null;
        }

        return Read(FileOf(query)) is { } view && view.Query == query ? view : null;
    }

    /// <summary>Forgets an answer.</summary>
    public void Remove(string query)
    {
        if (_directory is null)
        {
            return;
        }

        try
        {
            lock (_lock)
            {
                _pending.Remove(query);
                File.Delete(FileOf(query));
            }
        }
        catch (DirectoryNotFoundException)
        {
            // Nothing was ever saved.
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Fail(e);
        }
    }

    /// <summary>Writes what is not written yet.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
        }

        _timer.Dispose();
        Write();
    }

    private void Write()
    {
        lock (_lock)
        {
            _isScheduled = false;
            foreach (var (query, body) in _pending)
            {
                try
                {
                    Write(FileOf(query), query, body);
                    _pending.Remove(query);
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
                {
                    Fail(e);
                }
            }

            if (_pending.Count > 0 && !_isDisposed)
            {
                _isScheduled = true;
                _timer.Change(s_again, Timeout.InfiniteTimeSpan);
            }
        }
    }

    private void Write(string path, string query, byte[] body)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(_directory!);
        }
        else
        {
            Directory.CreateDirectory(_directory!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        var temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        using (var stream = new FileStream(temporary, options))
        {
            using var writer = new Utf8JsonWriter(stream);
            writer.WriteStartObject();
            writer.WriteString("query", query);
            writer.WriteString("savedAt", _time.GetUtcNow());
            writer.WritePropertyName("answer");
            writer.WriteRawValue(body);
            writer.WriteEndObject();
        }

        File.Move(temporary, path, overwrite: true);
    }

    private SavedView? Read(string path)
    {
        try
        {
            var file = new FileInfo(path);
            if (!file.Exists || file.Length > MaxFile)
            {
                return null;
            }

            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            var root = document.RootElement;
            return new SavedView(
                root.GetProperty("query").GetString() ?? throw new FormatException($"{path} names no query."),
                root.GetProperty("savedAt").GetDateTimeOffset(),
                Encoding.UTF8.GetBytes(root.GetProperty("answer").GetRawText()));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException
            or KeyNotFoundException or FormatException)
        {
            Fail(e);
            return null;
        }
    }

    private void Fail(Exception e)
    {
        if (!_hasFailed)
        {
            _hasFailed = true;
            Log.Failed(_logger, _directory!, e);
        }
    }

    private string FileOf(string query)
    {
        var name = new StringBuilder();
        foreach (var c in query.Length > 80 ? query[..80] : query)
        {
            name.Append(char.IsAsciiLetterOrDigit(c) || c is '-' or '_' ? c : '.');
        }

        return Path.Combine(_directory!, $"{name.ToString().Trim('.')}-{Hash(query)[..8]}.json");
    }

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private static partial class Log
    {
        [LoggerMessage(321, LogLevel.Warning, "The view of Consul that is saved in {Directory} cannot be read or written; without it the process cannot start while Consul is out of reach.")]
        public static partial void Failed(ILogger logger, string directory, Exception exception);
    }
}

/// <summary>An answer as it was saved.</summary>
internal sealed record SavedView(string Query, DateTimeOffset SavedAt, byte[] Body);
