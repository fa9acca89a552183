namespace Mesh.Discovery.Consul;

/// <summary>A native rule that cannot be used.</summary>
/// <param name="path">Where in it.</param>
/// <param name="message">What is wrong, and what is allowed.</param>
internal sealed class ConsulRuleException(string path, string message) : Exception(message)
{
    public string Path { get; } = path;
}
