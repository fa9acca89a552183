namespace Mesh.Discovery;

/// <summary>The one place where the mesh gets its randomness, so that tests can script it. Safe for concurrent use.</summary>
public interface IRandomSource
{
    /// <summary>A number of at least 0 and less than <paramref name="exclusiveMax"/>, each equally likely.</summary>
    /// <param name="exclusiveMax">The bound, above zero.</param>
    int Next(int exclusiveMax);

    /// <summary>A number of at least 0.0 and less than 1.0.</summary>
    double NextDouble();
}
