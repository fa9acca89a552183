using Mesh.Discovery.Catalogs;
using Mesh.Discovery.Security;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Discovery.Tests.Catalogs;

/// <summary>A directory of its own, a clock that stands still, and a view that is polled by hand.</summary>
public abstract class FileCatalogFixture : IDisposable
{
    private protected static readonly ServiceName Reviews = new("reviews", "prod");
    private protected static readonly ServiceName Ratings = new("ratings", "prod");

    private readonly DirectoryInfo _parent = Directory.CreateTempSubdirectory("mesh-test-");

    protected FileCatalogFixture()
    {
        Options.Path = Path.Combine(_parent.FullName, "catalog");
        View = NewView();
    }

    private protected FakeTimeProvider Time { get; } = new(new DateTimeOffset(2030, 1, 2, 3, 4, 5, TimeSpan.Zero));
    private protected FileCatalogOptions Options { get; } = new();
    private protected FakeLogger<FileCatalog> Logger { get; } = new();
    private protected RecordingObserver Observer { get; } = new();
    private protected FileCatalogView View { get; }
    private protected string Root => Options.Path;
    private protected string[] Documents => Directory.GetFiles(Root, "*.json");
    private protected IReadOnlyList<string> Warnings =>
        [.. Logger.Collector.GetSnapshot().Where(static log => log.Level >= LogLevel.Warning).Select(static log => log.Message)];

    public void Dispose()
    {
        _parent.Delete(recursive: true);
        GC.SuppressFinalize(this);
    }

    private protected FileCatalog NewCatalog() => new(Options, _parent.FullName, Time, Logger);

    private protected FileCatalogView NewView()
    {
        PrivateDirectory.Create(Root);
        return new(Root, Options, Time, Logger, Observer);
    }

    private protected static ServiceInstance Instance(string id, ServiceName service, string address, string version = "v1") =>
        new(id, service, new Endpoint
        {
            Address = new Uri(address),
            Labels = new Labels([new("version", version)]),
        });

    private protected async Task<IAsyncDisposable> Register(string id, ServiceName service, string address, string version = "v1") =>
        await NewCatalog().RegisterAsync(Instance(id, service, address, version), CancellationToken.None);

    /// <summary>Writes a file as somebody else's living process would.</summary>
    private protected string Write(string name, string content)
    {
        var path = Path.Combine(Root, name);
        File.WriteAllText(path, content);
        Touch(path);
        return path;
    }

    private protected void Touch(string path) => File.SetLastWriteTimeUtc(path, Time.GetUtcNow().UtcDateTime);

    private protected static string Document(string address, string version = "v1", string service = "reviews") =>
        $$"""
        { "id": "x", "service": "{{service}}", "namespace": "prod", "address": "{{address}}", "labels": { "version": "{{version}}" } }
        """;

    private protected string[] Addresses(ServiceName service) =>
        [.. Observer[service].Select(static endpoint => endpoint.Address.Authority)];

    /// <summary>Lets time pass in steps of the poll interval, polling at each.</summary>
    private protected void PollFor(TimeSpan time)
    {
        for (var end = Time.GetUtcNow() + time; Time.GetUtcNow() < end;)
        {
            Time.Advance(Options.PollInterval);
            View.Poll();
        }
    }
}
