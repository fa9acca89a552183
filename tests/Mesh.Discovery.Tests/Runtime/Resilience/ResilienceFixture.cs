using System.Diagnostics.Metrics;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Runtime.Resilience;
using Mesh.Discovery.Tests.Routing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Discovery.Tests.Runtime.Resilience;

/// <summary>One service with a clock that stands, and one destination of it.</summary>
internal sealed class ResilienceFixture
{
    private readonly OutlierDetectionConfig? _settings;

    public ResilienceFixture(OutlierDetectionConfig? settings = null, double random = 0)
    {
        _settings = settings;
        Context = new ResilienceContext(
            Time, new FixedRandom(0, random), new ResilienceEvents(new Meter("test"), Logger), null, new RetryBudgetConfig());
        Service = new ServiceState(new ServiceName("reviews", "prod"), static _ => 0, RetryPolicy.Default(2), Context);
        Use(settings);
        Destination = Service.GetDestination(new DestinationKey(Service.Name));
    }

    public FakeTimeProvider Time { get; } = new();

    public FakeLogger Logger { get; } = new();

    public ResilienceContext Context { get; }

    public ServiceState Service { get; }

    public DestinationState Destination { get; }

    public DestinationView View => Destination.View;

    /// <summary>The endpoints of the view, by their numbers.</summary>
    public string Used => string.Join(' ', View.Endpoints.Select(static e => e.Endpoint.Address.Port - 1000));

    public string[] Warnings =>
        [.. Logger.Collector.GetSnapshot().Where(static log => log.Level >= LogLevel.Warning).Select(static log => log.Message)];

    public static ResilienceContext NewContext() => new ResilienceFixture().Context;

    public void Use(OutlierDetectionConfig? settings, ConnectionPoolConfig? pool = null) => Service.SetPolicy(
        new DestinationRuleConfig
        {
            Location = new SourceLocation("test", ""),
            Namespace = "prod",
            Name = "reviews",
            Host = "reviews",
            TrafficPolicy = new TrafficPolicyConfig { OutlierDetection = settings, ConnectionPool = pool },
        },
        isPassThrough: false);

    /// <summary>Tells of endpoints by their numbers; a negative number is one that its catalog calls unhealthy.</summary>
    public ResilienceFixture With(params int[] endpoints)
    {
        Service.SetEndpoints("test", [.. endpoints.Select(static n => new Endpoint
        {
            Address = new Uri($"http://10.0.0.1:{1000 + Math.Abs(n)}"),
            Health = n < 0 ? EndpointHealth.Unhealthy : EndpointHealth.Healthy,
        })]);
        return this;
    }

    public EndpointState At(int number) => Service.Endpoints.Single(e => e.Endpoint.Address.Port == 1000 + number);

    public void Report(int number, AttemptResult result, int times = 1)
    {
        for (var i = 0; i < times; i++)
        {
            View.Detector!.Report(At(number), result);
        }
    }

    public void Pass(double seconds) => Time.Advance(TimeSpan.FromSeconds(seconds));

    /// <summary>As many errors as lead to an ejection by default.</summary>
    public void Break(int number) => Report(number, AttemptResult.ServerError, _settings?.Consecutive5xxErrors ?? 5);
}
