using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Catalogs;

/// <summary>
/// The catalog in a directory that the processes of one machine share: one JSON document per instance.
/// </summary>
/// <remarks>
/// A document is written under another name and then renamed, so that nobody reads half of one. An instance shows that
/// it lives by setting its document's time of modification; the content stays as it is. The directory is polled and not
/// watched by the operating system: Linux allows a user only 128 inotify instances, and polling works on every file
/// system. How documents appear, age and vanish is in <see cref="FileCatalogView"/>; who may write to the directory is
/// in <see cref="FileCatalogDirectory"/>.
/// </remarks>
internal sealed class FileCatalog : IEndpointCatalog, IServiceRegistry
{
    public const string CatalogName = "File";

    private readonly Lock _lock = new();
    private readonly FileCatalogOptions _options;
    private readonly string _contentRoot;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private string? _directory;

    /// <param name="options">Checked here: see <see cref="Validate"/>.</param>
    /// <param name="contentRoot">What a relative <see cref="FileCatalogOptions.Path"/> is relative to.</param>
    /// <param name="time">The clock of heartbeats and polls.</param>
    /// <param name="logger">Where bad documents and failures are named.</param>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public FileCatalog(FileCatalogOptions options, string contentRoot, TimeProvider time, ILogger<FileCatalog> logger)
    {
        var problems = string.Join(' ', Validate(options));
        if (problems.Length > 0)
        {
            throw new ArgumentException(problems, nameof(options));
        }

        _options = options;
        _contentRoot = contentRoot;
        _time = time;
        _logger = logger;
    }

    public string Name => CatalogName;

    /// <summary>Where the documents lie; null as long as the directory could not be made.</summary>
    public string? CurrentDirectory
    {
        get
        {
            lock (_lock)
            {
                return _directory;
            }
        }
    }

    /// <summary>All that is wrong with the options, a sentence each.</summary>
    public static IEnumerable<string> Validate(FileCatalogOptions options)
    {
        if (options.PollInterval < TimeSpan.FromMilliseconds(10) || options.PollInterval > TimeSpan.FromMinutes(1))
        {
            yield return $"PollInterval is {options.PollInterval}: 10 ms to 1 min is allowed.";
        }

        if (options.HeartbeatInterval < TimeSpan.FromMilliseconds(10)
            || options.HeartbeatInterval > TimeSpan.FromHours(1))
        {
            yield return $"HeartbeatInterval is {options.HeartbeatInterval}: 10 ms to 1 h is allowed.";
        }

        // Half of it is what late heartbeats are given, so one must fit in there.
        var longer = options.HeartbeatInterval > options.PollInterval ? options.HeartbeatInterval : options.PollInterval;
        var needed = 2 * longer;
        if (options.Expiry < needed || options.Expiry > TimeSpan.FromHours(1))
        {
            yield return $"Expiry is {options.Expiry}: at least twice the HeartbeatInterval and the PollInterval"
                + $" ({needed}) and at most 1 h is allowed.";
        }
    }

    public async Task WatchAsync(ICatalogObserver observer, CancellationToken stop)
    {
        var view = new FileCatalogView(Prepare(), _options, _time, _logger, observer);
        while (!stop.IsCancellationRequested)
        {
            view.Poll();
            await Task.Delay(_options.PollInterval, _time, stop)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public ValueTask<IAsyncDisposable> RegisterAsync(ServiceInstance instance, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        var document = FileCatalogDocument.Write(instance, _time.GetUtcNow());
        if (FileCatalogDocument.Read(document).Problem is { } problem)
        {
            throw new ArgumentException(
                $"The instance '{instance.Id}' of {instance.Service} is refused: {problem}.", nameof(instance));
        }

        if (document.Length > FileCatalogDocument.MaxBytes)
        {
            throw new ArgumentException(
                $"The document of instance '{instance.Id}' of {instance.Service} would have {document.Length} bytes:"
                + $" {FileCatalogDocument.MaxBytes} are allowed.",
                nameof(instance));
        }

        var path = Path.Combine(Prepare(), FileCatalogDirectory.FileName(instance));
        return new(FileRegistration.Start(path, document, _options, _time, _logger));
    }

    private string Prepare()
    {
        lock (_lock)
        {
            if (_directory is null || !Directory.Exists(_directory))
            {
                _directory = FileCatalogDirectory.Prepare(_options.Path, _contentRoot, _logger);
            }

            return _directory;
        }
    }
}
