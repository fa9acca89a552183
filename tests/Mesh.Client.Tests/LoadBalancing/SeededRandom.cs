using Mesh.Discovery;

namespace Mesh.Client.Tests.LoadBalancing;

/// <summary>The same numbers in every run. Not for concurrent use.</summary>
internal sealed class SeededRandom(int seed) : IRandomSource
{
    private readonly Random _random = new(seed);

    public int Next(int exclusiveMax) => _random.Next(exclusiveMax);

    public double NextDouble() => _random.NextDouble();
}
