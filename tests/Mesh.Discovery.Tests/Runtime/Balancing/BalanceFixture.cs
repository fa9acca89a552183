using System.Diagnostics.Metrics;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Runtime.Balancing;
using Mesh.Discovery.Runtime.Resilience;
using Mesh.Discovery.Tests.Routing;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Discovery.Tests.Runtime.Balancing;

/// <summary>One service in several localities, called from <c>eu/a/1</c>, with a clock that stands.</summary>
internal sealed class BalanceFixture
{
    private readonly DestinationState _destination;

    public BalanceFixture(LoadBalancerConfig? balancer = null, OutlierDetectionConfig? outliers = null, BalancingContext? context = null)
    {
        Context = context ?? new BalancingContext(Candidates.Own, Labels.Empty, new LocalityLbConfig(), "me");
        Service = new ServiceState(
            new ServiceName("reviews", "prod"),
            static _ => 0,
            RetryPolicy.Default(2),
            new ResilienceContext(
                Time, new FixedRandom(0, 0), new ResilienceEvents(new Meter("test"), new FakeLogger()), outliers, new RetryBudgetConfig()),
            balancing: Context);
        Use(balancer);
        _destination = Service.GetDestination(new DestinationKey(Service.Name));
    }

    public BalancingContext Context { get; }

    public CountingTime Time { get; } = new();

    public ServiceState Service { get; }

    public DestinationView View => _destination.View;

    /// <summary>The endpoints of the view, by their numbers from 0.</summary>
    public string Used => Numbers(View);

    public static string Numbers(DestinationView view) =>
        string.Join(' ', view.Endpoints.Select(static e => int.Parse(e.Endpoint.Address.Host.Split('.')[3], null) - 1));

    public void Use(LoadBalancerConfig? balancer) => Service.SetPolicy(
        new DestinationRuleConfig
        {
            Location = new SourceLocation("test"),
            Namespace = "prod",
            Name = "reviews",
            Host = "reviews",
            TrafficPolicy = new TrafficPolicyConfig { LoadBalancer = balancer },
        },
        isPassThrough: false);

    /// <summary>One endpoint for each word: its locality, <c>?</c> before it if its catalog calls it unhealthy.</summary>
    public BalanceFixture With(string endpoints)
    {
        Service.SetEndpoints("test", [.. endpoints.Split(' ').Select(static (word, i) => Candidates.At(i, word.TrimStart('?')) with
        {
            Health = word.StartsWith('?') ? EndpointHealth.Unhealthy : EndpointHealth.Healthy,
        })]);
        return this;
    }

    /// <summary>Has endpoints fail until they are ejected.</summary>
    public BalanceFixture Break(params int[] numbers)
    {
        foreach (var number in numbers)
        {
            View.Detector!.Report(Service.Endpoints[number], AttemptResult.ServerError);
        }

        return this;
    }

    public void Pass(double seconds) => Time.Advance(TimeSpan.FromSeconds(seconds));

    /// <summary>Counts timers that are not disposed.</summary>
    internal sealed class CountingTime : FakeTimeProvider
    {
        public int Timers { get; private set; }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            Timers++;
            return new Counted(this, base.CreateTimer(callback, state, dueTime, period));
        }

        private sealed class Counted(CountingTime owner, ITimer timer) : ITimer
        {
            private bool _isDisposed;

            public bool Change(TimeSpan dueTime, TimeSpan period) => timer.Change(dueTime, period);

            public void Dispose()
            {
                owner.Timers -= _isDisposed ? 0 : 1;
                _isDisposed = true;
                timer.Dispose();
            }

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }
        }
    }
}
