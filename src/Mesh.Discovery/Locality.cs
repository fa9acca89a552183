namespace Mesh.Discovery;

/// <summary>Where an endpoint or a process runs, from wide to narrow (Envoy's locality). Parts may be empty.</summary>
/// <param name="Region">For example <c>eu</c>.</param>
/// <param name="Zone">For example <c>eu-1</c>.</param>
/// <param name="SubZone">For example a rack.</param>
public sealed record Locality(string Region = "", string Zone = "", string SubZone = "")
{
    /// <summary>Nothing is known.</summary>
    public static readonly Locality Unknown = new();

    /// <summary><c>region/zone/subzone</c>, without empty parts at the end.</summary>
    public override string ToString() => $"{Region}/{Zone}/{SubZone}".TrimEnd('/');
}
