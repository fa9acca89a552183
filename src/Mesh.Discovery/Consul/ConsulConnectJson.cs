using System.Text.Json.Serialization;

namespace Mesh.Discovery.Consul;

/// <summary>What the mesh reads of Consul's CA.</summary>
[JsonSerializable(typeof(ConnectRoots))]
[JsonSerializable(typeof(ConnectLeaf))]
internal sealed partial class ConsulConnectJson : JsonSerializerContext;

/// <summary>The roots that Consul's CA has now, and those that it had before and that still hold.</summary>
internal sealed class ConnectRoots
{
    public string? TrustDomain { get; init; }

    public ConnectRoot?[]? Roots { get; init; }
}

/// <summary>One root. Those that are not active sign nothing new, and are trusted as the others are.</summary>
internal sealed class ConnectRoot
{
    [JsonPropertyName("RootCert")]
    public string? Certificate { get; init; }
}

/// <summary>The certificate of a service, as the agent keeps and renews it.</summary>
internal sealed class ConnectLeaf
{
    /// <summary>The certificate, and after it the intermediates, if there are any.</summary>
    [JsonPropertyName("CertPEM")]
    public string? Certificate { get; init; }

    [JsonPropertyName("PrivateKeyPEM")]
    public string? PrivateKey { get; init; }
}
