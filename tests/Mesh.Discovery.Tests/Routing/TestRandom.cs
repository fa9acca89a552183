namespace Mesh.Discovery.Tests.Routing;

/// <summary>Numbers from a seed; safe for concurrent use.</summary>
internal sealed class SeededRandom(int seed) : IRandomSource
{
    private readonly Lock _lock = new();
    private readonly Random _random = new(seed);

    public int Next(int exclusiveMax)
    {
        lock (_lock)
        {
            return _random.Next(exclusiveMax);
        }
    }

    public double NextDouble()
    {
        lock (_lock)
        {
            return _random.NextDouble();
        }
    }
}

/// <summary>Says always the same number, and remembers what it was asked for.</summary>
internal sealed class FixedRandom(int value, double real = 0.5) : IRandomSource
{
    public List<int> Asked { get; } = [];

    public int Next(int exclusiveMax)
    {
        Asked.Add(exclusiveMax);
        return value;
    }

    public double NextDouble() => real;
}
