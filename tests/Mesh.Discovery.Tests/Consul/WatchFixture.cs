using System.Net;
using System.Text;
using System.Threading.Channels;
using Mesh.Discovery.Consul;
using Mesh.Discovery.Tests.Routing;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Discovery.Tests.Consul;

/// <summary>Watches over an agent, a clock and a directory in the hands of the test.</summary>
public abstract class WatchFixture : IAsyncLifetime
{
    private protected const string Path = "/v1/health/service/web";

    private readonly List<Task> _running = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly Lazy<ConsulConnection> _consul;

    protected WatchFixture() => _consul = new Lazy<ConsulConnection>(Connect);

    private protected FakeConsul Agent { get; } = new();
    private protected StepTime Time { get; } = new();
    private protected FakeLogger Logger { get; } = new();
    private protected string Directory { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"mesh-views-{Guid.NewGuid():N}");
    private protected ConsulConnection Consul => _consul.Value;
    private protected MeshOptions Options { get; } = new();
    private protected double Random { get; set; } = 0.5;
    private protected int[] Logged => [.. Logger.Collector.GetSnapshot().Select(static log => log.Id.Id)];

    public ValueTask InitializeAsync()
    {
        Options.Discovery.Consul.Address = new Uri("http://127.0.0.1:8500");
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_running);
        Consul.Dispose();
        _stop.Dispose();
        if (System.IO.Directory.Exists(Directory))
        {
            System.IO.Directory.Delete(Directory, recursive: true);
        }

        GC.SuppressFinalize(this);
    }

    private protected Follower Follow(string service = "web")
    {
        var follower = new Follower();
        var watch = new ConsulWatch<HealthEntry[]>(
            Consul,
            ConsulQueries.Health(new ConsulServiceName(service, "default", null), Consul.Options),
            follower.TakeAsync,
            () => follower.HasFailed = true);
        Run(watch.RunAsync);
        return follower;
    }

    private protected void Run(Func<CancellationToken, Task> run) => _running.Add(run(_stop.Token));

    /// <summary>A good answer, and the least time between two queries.</summary>
    private protected async Task AnswerAsync(string start, string body, ulong index)
    {
        (await Agent.NextAsync(start)).Ok(body, index);
        await Time.PassAsync(TimeSpan.FromMilliseconds(50));
    }

    private protected static void Answer(FakeConsul.Call call, int status, string body, params (string Name, string Value)[] headers)
    {
        var message = new HttpResponseMessage((HttpStatusCode)status) { Content = new StringContent(body, Encoding.UTF8) };
        foreach (var (name, value) in headers)
        {
            message.Headers.Add(name, value);
        }

        call.Answer.SetResult(message);
    }

    private protected static string Entries(params string[] addresses) =>
        $"[{string.Join(',', addresses.Select(static (address, i) => $$"""
            { "Node": { "Node": "n", "Address": "10.9.9.9" }, "Service": { "ID": "web-{{i}}", "Service": "web", "Address": "{{address}}", "Port": 80 } }
            """))}]";

    private ConsulConnection Connect()
    {
        var consul = Options.Discovery.Consul;
        var client = new ConsulClient(consul, Time, Agent);
        return new ConsulConnection(
            client, consul, new ConsulStatus(client.Agent, Time, Logger), new SavedViews(Directory, Time, Logger), Time,
            new FixedRandom(0, Random), Logger);
    }

    /// <summary>Whoever takes what a watch tells.</summary>
    internal sealed class Follower
    {
        private readonly Channel<ConsulView<HealthEntry[]>> _views = Channel.CreateUnbounded<ConsulView<HealthEntry[]>>();

        public WatchVerdict Verdict { get; set; } = WatchVerdict.Believed(isSaved: true);

        public Exception? Failure { get; set; }

        public bool HasFailed { get; set; }

        public bool IsQuiet => !_views.Reader.TryPeek(out _);

        public async Task<ConsulView<HealthEntry[]>> NextAsync() => await _views.Reader.ReadAsync(TestContext.Current.CancellationToken)
            .AsTask().WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);

        public ValueTask<WatchVerdict> TakeAsync(ConsulView<HealthEntry[]> view, CancellationToken cancel)
        {
            _views.Writer.TryWrite(view);
            return Failure is { } failure ? throw failure : new(Verdict);
        }
    }

    /// <summary>Time that stands still, and shows what is waited for.</summary>
    internal sealed class StepTime : FakeTimeProvider
    {
        private readonly Channel<TimeSpan> _timers = Channel.CreateUnbounded<TimeSpan>();

        /// <summary>Waits until somebody waits for that long, and lets it pass.</summary>
        public async Task PassAsync(TimeSpan wait)
        {
            var cancel = TestContext.Current.CancellationToken;
            var seen = new List<TimeSpan>();
            try
            {
                while (true)
                {
                    var next = await _timers.Reader.ReadAsync(cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(60), cancel);
                    seen.Add(next);
                    if (next == wait)
                    {
                        Advance(wait);
                        return;
                    }
                }
            }
            catch (TimeoutException)
            {
                Assert.Fail($"Nobody waits for {wait}, only for {string.Join(", ", seen)}");
            }
        }

        public Task PassAsync(double milliseconds) => PassAsync(TimeSpan.FromMilliseconds(milliseconds));

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = base.CreateTimer(callback, state, dueTime, period);
            if (dueTime > TimeSpan.Zero)
            {
                _timers.Writer.TryWrite(dueTime);
            }

            return timer;
        }
    }
}
