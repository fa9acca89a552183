namespace Mesh.Benchmarks.Simulation;

/// <summary>What befalls the callee while one client calls it.</summary>
/// <param name="Key">What the command line and the JSON call it.</param>
/// <param name="Title">What the table calls it.</param>
/// <param name="Script">Schedules what happens.</param>
internal sealed record Scenario(string Key, string Title, Action<SimulatedCallee> Script)
{
    /// <summary>How long requests come.</summary>
    public TimeSpan Duration { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Requests a second; the time between two is exponentially distributed.</summary>
    public double Rate { get; init; } = 1000;

    public int Endpoints { get; init; } = 11;

    public int Zones { get; init; } = 1;

    public EndpointModel Model { get; init; } = new();
}
