using Mesh.Discovery;

namespace Mesh.Benchmarks.Simulation;

/// <summary>Random numbers that are the same in every run with the same seed. Not safe for concurrent use.</summary>
internal sealed class SeededRandom(int seed) : IRandomSource
{
    private Random _random = new(seed);

    /// <summary>Starts again, so that what was drawn while the host started does not count.</summary>
    public void Restart() => _random = new Random(seed);

    public int Next(int exclusiveMax) => _random.Next(exclusiveMax);

    public double NextDouble() => _random.NextDouble();

    /// <summary>An exponentially distributed time: the pause until the next event of a Poisson process.</summary>
    public TimeSpan NextTime(TimeSpan mean) => mean * -Math.Log(1 - _random.NextDouble());
}
