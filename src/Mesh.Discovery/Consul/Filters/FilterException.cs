namespace Mesh.Discovery.Consul.Filters;

/// <summary>A filter expression that cannot be used.</summary>
internal sealed class FilterException(int position, string message) : Exception($"at character {position + 1}: {message}");
