namespace Mesh.Discovery.Rules;

/// <summary>Each caller uses a part of the endpoints (Finagle: deterministic aperture).</summary>
internal sealed record ApertureConfig
{
    /// <summary>How many endpoints a caller uses at least. Default 12 (Finagle).</summary>
    public int Size { get; init; } = 12;
}
