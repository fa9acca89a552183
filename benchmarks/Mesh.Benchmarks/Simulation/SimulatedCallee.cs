using Mesh.Client.Transport;
using Mesh.Discovery;

namespace Mesh.Benchmarks.Simulation;

/// <summary>All instances of the callee, present and past, as the client's transport and catalog see them. Scenarios change it.</summary>
internal sealed class SimulatedCallee : IEndpointHandlerFactory
{
    private readonly Scenario _scenario;
    private readonly SeededRandom _random;
    private readonly List<SimulatedEndpoint> _all = [];
    private readonly Dictionary<string, SimulatedEndpoint> _byAddress = new(StringComparer.Ordinal);

    public SimulatedCallee(Scenario scenario, VirtualClock clock, int seed)
    {
        _scenario = scenario;
        _random = new SeededRandom(seed);
        Clock = clock;
        for (var i = 0; i < scenario.Endpoints; i++)
        {
            Catalog.Add(Create(zone: $"eu-{1 + (i % scenario.Zones)}"));
        }
    }

    public VirtualClock Clock { get; }

    public SimulatedCatalog Catalog { get; } = new();

    /// <summary>In the order in which they came; the first <see cref="Scenario.Endpoints"/> are there from the beginning.</summary>
    public IReadOnlyList<SimulatedEndpoint> Instances => _all;

    /// <summary>A new process at an address that nobody had; not yet in the catalog.</summary>
    public SimulatedEndpoint Create(string zone)
    {
        var address = new Uri($"http://10.0.{_all.Count / 250}.{1 + (_all.Count % 250)}:8080");
        var endpoint = new SimulatedEndpoint(address, zone, _scenario.Model, Clock, _random);
        _all.Add(endpoint);
        _byAddress.Add(address.Authority, endpoint);
        return endpoint;
    }

    /// <summary>Does something at a time since the beginning, in seconds.</summary>
    public void At(double seconds, Action action) =>
        Clock.Schedule(TimeSpan.FromSeconds(seconds) - Clock.Now, static state => ((Action)state!)(), action);

    HttpMessageHandler IEndpointHandlerFactory.Create(Endpoint endpoint) => new Handler(_byAddress[endpoint.Address.Authority]);

    private sealed class Handler(SimulatedEndpoint endpoint) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            endpoint.SendAsync(cancellationToken);
    }
}
