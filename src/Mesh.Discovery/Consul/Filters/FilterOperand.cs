namespace Mesh.Discovery.Consul.Filters;

/// <summary>A word, literal or selector as read; its operator says which of them is meant.</summary>
/// <param name="Position">Where it starts.</param>
/// <param name="Value">As a value.</param>
/// <param name="Path">As a selector; null if it cannot be one.</param>
internal sealed record FilterOperand(int Position, string Value, string[]? Path);
