namespace Mesh.Discovery;

/// <summary>The runtime's shared generator.</summary>
internal sealed class SystemRandomSource : IRandomSource
{
    public static readonly SystemRandomSource Instance = new();

#pragma warning disable RS0030 // The one place that may use it.
    private readonly Random _random = Random.Shared;
#pragma warning restore RS0030

    public int Next(int exclusiveMax) => _random.Next(exclusiveMax);

    public double NextDouble() => _random.NextDouble();
}
