using System.Diagnostics.Metrics;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Tests.Routing;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Discovery.Tests.Runtime;

/// <summary>A runtime over fakes, with a clock that stands still.</summary>
public abstract class RuntimeFixture : IAsyncLifetime
{
    private protected static readonly ServiceName Reviews = new("reviews", "prod");
    private protected static readonly ServiceName Ratings = new("ratings", "prod");

    private readonly TestMeters _meters = new();
    private readonly MetricCollector<long> _rejected;
    private MeshRuntime? _runtime;

    protected RuntimeFixture()
    {
        _rejected = new MetricCollector<long>(_meters, MeshRuntime.MeterName, "mesh.config.rejected");
        Options.Namespace = "prod";
    }

    private protected MeshOptions Options { get; } = new();
    private protected FakeTimeProvider Time { get; } = new();
    private protected FakeLogger<MeshRuntime> Logger { get; } = new();
    private protected FakeRuleSource Rules { get; } = new("file", RuleBatch.Empty);
    private protected FakeCatalog Catalog { get; } = new("first");
    private protected FakeCatalog Second { get; } = new("second");
    private protected List<IRuleSource> Sources { get; } = [];
    private protected MeshRuntime Runtime => _runtime ??= NewRuntime();
    private protected long Rejected => _rejected.GetMeasurementSnapshot().Sum(static m => m.Value);

    public ValueTask InitializeAsync()
    {
        Sources.Add(Rules);
        return ValueTask.CompletedTask;
    }

    public virtual async ValueTask DisposeAsync()
    {
        if (_runtime is not null)
        {
            await _runtime.DisposeAsync();
        }

        _meters.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Starts with the given rules and both catalogs in sync.</summary>
    private protected async Task Start(params RuleConfig[] rules)
    {
        Rules.First = new RuleBatch(rules, []);
        Catalog.OnWatch ??= static observer => observer.Synced();
        Second.OnWatch ??= static observer => observer.Synced();
        await Runtime.StartAsync(CancellationToken.None);
    }

    private protected string[] Logs(LogLevel level) =>
        [.. Logger.Collector.GetSnapshot().Where(log => log.Level == level).Select(static log => log.Message)];

    private protected ServiceState Service(string host) => Runtime.Current.Find(host) ?? throw new InvalidOperationException($"'{host}' is unknown");

    private protected Route[] Routes(string host) => Service(host).Routes.Routes;

    private protected static DestinationView View(ServiceState service, string? subset = null, int? port = null) =>
        service.GetDestination(new DestinationKey(service.Name, subset, port)).View;

    private protected static string Show(DestinationView view) => string.Join(' ', view.Endpoints.Select(static endpoint => endpoint.Id));

    /// <summary>Lets continuations run until the condition holds.</summary>
    private protected static async Task Until(Func<bool> condition)
    {
        var start = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(60), "never happened");
            await Task.Yield();
        }
    }

    private protected static Endpoint At(string authority, string version = "v1") => new()
    {
        Address = new Uri("http://" + authority),
        Labels = new Labels([new("version", version)]),
    };

    private MeshRuntime NewRuntime() =>
        new(Options, Sources, [Catalog, Second], Rule.Policies, Time, new FixedRandom(0), _meters, Logger);

    private sealed class TestMeters : IMeterFactory
    {
        private readonly List<Meter> _all = [];

        public Meter Create(MeterOptions options)
        {
            var meter = new Meter(options.Name, options.Version, options.Tags, scope: this);
            _all.Add(meter);
            return meter;
        }

        public void Dispose() => _all.ForEach(static meter => meter.Dispose());
    }
}
